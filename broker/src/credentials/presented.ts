import { allow, deny, type Outcome } from '@agent-ticket/shared/outcome.ts';
import { readSessionCookie, type SessionCookie } from '../auth0-session/cookie-header.ts';
import { readBasic } from './basic.ts';
import { CREDENTIAL_COOKIES, readCookie } from './cookies.ts';

/** A credential as it came, nothing verified yet. */
export type Presented =
  | { readonly kind: 'bearer'; readonly token: string }
  | { readonly kind: 'client-secret'; readonly clientId: string; readonly secret: string }
  | { readonly kind: 'access'; readonly token: string; readonly ambient: 'cookie' | 'assertion' }
  | { readonly kind: 'session'; readonly cookie: SessionCookie }
  | { readonly kind: 'none' };

/**
 * Which credential counts. Explicit ones (`Authorization`, the client id and secret headers) beat the ambient
 * assertion that Access adds by itself, and that beats cookies; two explicit ones are refused. What is chosen here is
 * final: when it fails, nothing else is tried.
 *
 * @param sessionCookie name of the Auth0 session cookie; left out: there is none.
 */
export function presentedCredential(headers: Headers, sessionCookie?: string): Outcome<Presented> {
  const authorization = headers.get('authorization');
  const clientId = headers.get('cf-access-client-id');
  const secret = headers.get('cf-access-client-secret');
  const pair = clientId !== null || secret !== null;

  if (authorization !== null && pair) return deny('credential_ambiguous', { hint: 'send one credential' });
  if (authorization !== null) return fromAuthorization(authorization);
  if (pair) return fromPair(clientId, secret);
  const assertion = headers.get('cf-access-jwt-assertion');
  if (assertion !== null) return allow({ kind: 'access', token: assertion, ambient: 'assertion' });
  return fromCookies(headers.get('cookie'), sessionCookie);
}

/** `Authorization` in its two schemes (RFC 9110 §11.1: case-insensitive). Another scheme is malformed, not absent. */
function fromAuthorization(value: string): Outcome<Presented> {
  const [, scheme = '', rest = ''] = /^([A-Za-z]+) +(\S+)$/.exec(value) ?? [];
  switch (scheme.toLowerCase()) {
    case 'bearer':
      return allow({ kind: 'bearer', token: rest });
    case 'basic':
      return readBasic(rest);
    default:
      return deny('credential_malformed', { hint: 'Authorization takes Bearer or Basic' });
  }
}

const fromPair = (clientId: string | null, secret: string | null): Outcome<Presented> =>
  clientId === null || secret === null
    ? deny('credential_malformed', { hint: 'CF-Access-Client-Id and CF-Access-Client-Secret go together' })
    : allow({ kind: 'client-secret', clientId, secret });

function fromCookies(header: string | null, sessionCookie: string | undefined): Outcome<Presented> {
  for (const name of CREDENTIAL_COOKIES) {
    const cookie = readCookie(header, name);
    if (!cookie.ok) return cookie;
    if (cookie.value !== undefined) return allow({ kind: 'access', token: cookie.value, ambient: 'cookie' });
  }
  const session = sessionCookie === undefined ? allow(undefined) : readSessionCookie(header, sessionCookie);
  if (!session.ok) return session;
  return allow(session.value === undefined ? { kind: 'none' } : { kind: 'session', cookie: session.value });
}
