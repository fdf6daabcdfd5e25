import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';

/**
 * The target of the redirect after a sign-in or sign-out: a path of the broker or a page of a listed origin; default is
 * the broker's first page. The redirect uses the parsed address, so that the browser cannot read a spelling (`//host`,
 * a backslash, a tab) differently.
 */
export function readReturnTo(
  asked: string | null,
  baseUrl: string,
  origins: readonly string[],
): Outcome<string> {
  if (asked === null) return ok(new URL('/', baseUrl).href);
  if (asked.length <= 2048 && URL.canParse(asked, baseUrl)) {
    const url = new URL(asked, baseUrl);
    const bare = url.username === '' && url.password === '';
    if (bare && (url.origin === baseUrl || origins.includes(url.origin))) return ok(url.href);
  }
  return err('field_invalid', { field: 'return_to' });
}
