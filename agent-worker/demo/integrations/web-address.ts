/**
 * An address that a page may open or link to; `undefined` for any other. A server names the address of its own sign-in: one
 * with `javascript:` would run as this page's script.
 *
 * @param from protocol of the page. One with TLS opens no address without it, where others could read the sign-in.
 */
export function webAddress(text: unknown, from = location.protocol): string | undefined {
  const url = typeof text === 'string' ? URL.parse(text) : null;
  return url !== null && (url.protocol === 'https:' || url.protocol === from) ? url.href : undefined;
}
