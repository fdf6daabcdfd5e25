import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';

/**
 * The address that a browser is redirected to afterwards: a path of ours or a page of a listed origin; left out, our own
 * first page. The redirect is to the parsed address, so that no spelling (`//host`, a backslash, a tab) means one thing
 * here and another to the browser.
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
