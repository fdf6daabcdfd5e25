/** Whether a text is a principal's id, as against a label: an id names its issuer. Not whether there is such a principal. */
export const isPrincipalId = (text: string): boolean => /^(access|auth0|oidc|token|anonymous):/.test(text);
