/**
 * An address that a page may open or link to; `undefined` for any other. A server names the address of its own sign-in: one
 * with `javascript:` would run as this page's script.
 */
export function webAddress(text: unknown): string | undefined {
  const url = typeof text === 'string' ? URL.parse(text) : null;
  return url !== null && (url.protocol === 'https:' || url.protocol === 'http:') ? url.href : undefined;
}
