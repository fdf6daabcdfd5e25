/** Methods that change nothing (RFC 9110 §9.2.1); a page of another origin cannot read their answer. */
const SAFE = ['GET', 'HEAD'];

/**
 * Whether a request may spend a credential that the browser adds by itself. A cookie needs a listed origin for
 * everything that may change something; the assertion that Access makes of its cookie does so too when a browser
 * sent it, which it tells by `Origin`. A client without one is none that a page could drive.
 */
export function ambientAllowed(
  request: { readonly method: string; readonly origin: string | null },
  kind: 'cookie' | 'assertion',
  allowed: readonly string[],
): boolean {
  if (SAFE.includes(request.method)) return true;
  if (request.origin === null) return kind === 'assertion';
  return allowed.includes(request.origin);
}
