import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';

/**
 * A session cookie: one that names a session kept on a server, or one that is the session itself, put together from its
 * parts.
 */
export interface SessionCookie {
  readonly kept: 'server' | 'cookie';
  readonly value: string;
}

const MALFORMED = err('credential_malformed', { hint: 'the session cookie has parts that do not fit' });

/**
 * What may be around a pair (RFC 6265 §4.2.1), and no other white space: with a space of Unicode before it a name has no prefix
 * for the browser (`__Host-`), so that any host of the site can set it for this one.
 */
const SPACE = /^[ \t]+|[ \t]+$/g;

/** Name and value of every cookie as they came, not decoded (RFC 6265 §5.4): a broken escape in one affects no other. */
const pairsOf = (header: string | null): [name: string, value: string][] =>
  (header ?? '')
    .split(';')
    .map((pair) => pair.replaceAll(SPACE, ''))
    .filter((pair) => pair.includes('='))
    .map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]);

/**
 * The value of a cookie. Two cookies of one name are refused: a sibling host can set a second one for the parent domain,
 * and which of them a server sees first is not the person's choice.
 */
export function readCookie(header: string | null, name: string): Outcome<string | undefined> {
  const [first, ...others] = pairsOf(header).filter(([each]) => each === name);
  return others.length === 0
    ? ok(first?.[1])
    : err('credential_malformed', { hint: 'the cookie came twice' });
}

/** Names of cookies that belong to the session cookie `name`: itself and its numbered parts. */
export const sessionCookieNames = (header: string | null, name: string): string[] =>
  pairsOf(header)
    .map(([each]) => each)
    .filter((each) => each === name || partOf(each, name) !== undefined);

function partOf(cookie: string, name: string): number | undefined {
  const rest = cookie.startsWith(`${name}.`) ? cookie.slice(name.length + 1) : '';
  return /^(0|[1-9]\d?)$/.test(rest) ? Number(rest) : undefined;
}

/**
 * The session cookie of a request: `name`, or `name.0`, `name.1`, … put together. Both at once, a part twice or a missing
 * part are refused, for the reason at {@link readCookie}.
 */
export function readSessionCookie(header: string | null, name: string): Outcome<SessionCookie | undefined> {
  const pairs = pairsOf(header);
  const [only, ...others] = pairs.filter(([each]) => each === name);
  const parts = pairs
    .map(([each, value]) => ({ index: partOf(each, name), value }))
    .filter(({ index }) => index !== undefined)
    .sort((a, b) => (a.index ?? 0) - (b.index ?? 0));
  if (only !== undefined)
    return others.length === 0 && parts.length === 0 ? ok({ kept: 'server', value: only[1] }) : MALFORMED;
  if (parts.length === 0) return ok(undefined);
  if (parts.some(({ index }, place) => index !== place)) return MALFORMED;
  return ok({ kept: 'cookie', value: parts.map(({ value }) => value).join('') });
}

interface CookieScope {
  readonly path: string;
  readonly secure: boolean;
}

/** A `Set-Cookie` line with the attributes of every cookie here (RFC 6265 §4.1). Host-only: there is no Domain. */
export const setCookie = (
  name: string,
  value: string,
  maxAge: number,
  { path, secure }: CookieScope,
): string =>
  `${name}=${value}; Path=${path}; Max-Age=${maxAge}; HttpOnly; SameSite=Lax${secure ? '; Secure' : ''}`;

export const dropCookie = (name: string, scope: CookieScope): string => setCookie(name, '', 0, scope);
