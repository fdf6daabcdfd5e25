/** What the gate tells browsers about other origins. Tickets are explicit credentials, so cookies are never allowed. */

/**
 * Whether a request may come from where it says. Browsers always name an origin on an upgrade; a client that names
 * none is no browser and proves itself by its ticket alone. `null` (sandboxed frames, files) is nobody.
 */
export const originAllowed = (origin: string | null, allowed: readonly string[]): boolean =>
  origin === null || allowed.includes(origin);

export function corsHeaders(origin: string | null): Headers {
  const headers = new Headers({ vary: 'Origin' });
  if (origin !== null) headers.set('access-control-allow-origin', origin);
  return headers;
}

export function preflight(origin: string | null): Response {
  const headers = corsHeaders(origin);
  headers.set('access-control-allow-methods', 'GET, POST');
  headers.set('access-control-allow-headers', 'authorization, content-type');
  headers.set('access-control-max-age', '600');
  return new Response(null, { status: 204, headers });
}
