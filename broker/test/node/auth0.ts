/** The one Auth0 tenant of these tests, and the person in it. */

export const TENANT = 'https://tenant.test/';
export const AUDIENCE = 'https://broker.test/api';
export const ALICE = 'auth0:tenant.test:auth0|alice';
