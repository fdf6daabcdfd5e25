/** Values of `Sec-Fetch-Site` (Fetch Metadata §2.4) for a page of another origin. A sibling host is another origin. */
const OTHER_ORIGINS: readonly (string | null)[] = ['cross-site', 'same-site'];

/**
 * Whether a browser sent the request for a page of an origin that is not listed: a link, an image or a script there.
 * Does NOT prove the opposite: a client that is no browser sends what it likes.
 */
export function isFromOtherOrigin(headers: Headers, listed: readonly string[]): boolean {
  if (!OTHER_ORIGINS.includes(headers.get('sec-fetch-site'))) return false;
  const page = headers.get('origin') ?? headers.get('referer');
  return page === null || !URL.canParse(page) || !listed.includes(new URL(page).origin);
}
