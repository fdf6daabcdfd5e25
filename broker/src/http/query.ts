import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { CONTROL_CHARACTER } from '../credentials/secret-in-text.ts';

/** Names of the parameters that a route knows, or the reason for which it accepts all others too. */
export type QueryRule = readonly string[] | { readonly ignored: string };

/** Names that may be repeated in a refusal: no credential is that short or has this alphabet alone. */
const PLAIN_NAME = /^[A-Za-z][A-Za-z_]{0,31}$/;

/**
 * Refuses a query that a handler would read differently from the caller: with a filter that is misspelt, empty or
 * overruled by a second one, the answer would be about everything. Does NOT read the values.
 */
export function checkQuery(url: string, rule: QueryRule): Outcome<undefined> {
  if ('ignored' in rule || !url.includes('?')) return ok(undefined);
  const seen = new Set<string>();
  for (const [name, value] of new URL(url).searchParams) {
    const refused = (hint: string): Outcome<never> =>
      err('field_invalid', PLAIN_NAME.test(name) ? { field: name, hint } : { hint });
    if (!rule.includes(name))
      return refused(
        rule.length === 0 ? 'this route takes no parameters' : `parameters are: ${rule.join(', ')}`,
      );
    if (seen.has(name)) return refused('the parameter came twice');
    if (value === '') return refused('the parameter is empty: leave it out');
    if (CONTROL_CHARACTER.test(value)) return refused('it holds a control character');
    seen.add(name);
  }
  return ok(undefined);
}
