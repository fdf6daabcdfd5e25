import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';

/** Cookies that are credentials, in the order in which they count. */
export const CREDENTIAL_COOKIES = ['CF_Authorization'] as const;

/**
 * The value of a cookie as it came, not decoded (RFC 6265 §5.4). Two cookies of one name are refused: a neighbour on
 * a parent domain can plant a second one, and which of them a server sees first is not the person's choice.
 */
export function readCookie(header: string | null, name: string): Outcome<string | undefined> {
  const values = (header ?? '')
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${name}=`))
    .map((pair) => pair.slice(name.length + 1));
  const [value, ...others] = values;
  return others.length === 0 ? ok(value) : err('credential_malformed', { hint: 'the cookie came twice' });
}
