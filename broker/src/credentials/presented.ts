import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { readCookie, readSessionCookie, type SessionCookie } from './cookies.ts';
import { looksLikeSecret } from './secret.ts';

/** A credential as it came, nothing verified yet. */
export type Presented =
  | { readonly kind: 'bearer'; readonly token: string }
  | ClientSecret
  | { readonly kind: 'access'; readonly token: string; readonly ambient: 'cookie' | 'assertion' }
  | { readonly kind: 'session'; readonly cookie: SessionCookie }
  | { readonly kind: 'none' };

/** The cookie of Cloudflare Access. It counts before the session cookie. */
const ACCESS_COOKIE = 'CF_Authorization';

const AMBIGUOUS = err('credential_ambiguous', { hint: 'send one credential' });

/**
 * The credential that counts. Explicit ones (`Authorization`, the client id and secret headers) beat the assertion that
 * Access adds by itself, and that beats cookies; two explicit ones are refused. A header that is there and empty is a
 * credential that fails. The choice is final: when the credential fails, nothing else is tried.
 *
 * @param sessionCookie name of the Auth0 session cookie; left out: there is none.
 */
export function presentedCredential(headers: Headers, sessionCookie?: string): Outcome<Presented> {
  const authorization = headers.get('authorization');
  const clientId = headers.get('cf-access-client-id');
  const secret = headers.get('cf-access-client-secret');
  const pair = clientId !== null || secret !== null;

  if (authorization !== null && pair) return AMBIGUOUS;
  if (authorization !== null) return fromAuthorization(authorization);
  if (pair) return fromPair(clientId, secret);
  const assertion = headers.get('cf-access-jwt-assertion');
  if (assertion !== null) return ok({ kind: 'access', token: assertion, ambient: 'assertion' });
  return fromCookies(headers.get('cookie'), sessionCookie);
}

/**
 * `Authorization` in its two schemes (RFC 9110 §11.1: case-insensitive). Another scheme is malformed, not absent, and
 * so is an empty one. HTTP joins a header that came twice by commas (§5.3), which no credential here has in it.
 */
export function fromAuthorization(value: string): Outcome<Presented> {
  if (value.split(',').filter((part) => /^\s*(bearer|basic) +\S/i.test(part)).length > 1) return AMBIGUOUS;
  const [, scheme = '', rest = ''] = /^([A-Za-z]+) +(\S+)$/.exec(value) ?? [];
  switch (scheme.toLowerCase()) {
    case 'bearer':
      return ok({ kind: 'bearer', token: rest });
    case 'basic':
      return readBasic(rest);
    default:
      return err('credential_malformed', { hint: 'Authorization takes Bearer or Basic' });
  }
}

function fromPair(clientId: string | null, secret: string | null): Outcome<Presented> {
  if (clientId === null || secret === null)
    return err('credential_malformed', {
      hint: 'CF-Access-Client-Id and CF-Access-Client-Secret go together',
    });
  return secret.split(',').filter((part) => looksLikeSecret(part.trim())).length > 1
    ? AMBIGUOUS
    : ok({ kind: 'client-secret', clientId, secret });
}

function fromCookies(header: string | null, sessionCookie: string | undefined): Outcome<Presented> {
  const access = readCookie(header, ACCESS_COOKIE);
  if (!access.ok) return access;
  if (access.value !== undefined) return ok({ kind: 'access', token: access.value, ambient: 'cookie' });
  const session = sessionCookie === undefined ? ok(undefined) : readSessionCookie(header, sessionCookie);
  if (!session.ok) return session;
  return ok(session.value === undefined ? { kind: 'none' } : { kind: 'session', cookie: session.value });
}

/** A client id and a secret as they came. */
interface ClientSecret {
  readonly kind: 'client-secret';
  readonly clientId: string;
  readonly secret: string;
}

/**
 * HTTP Basic as OAuth clients send it: id and secret form-urlencoded, joined by the first colon, then base64
 * (RFC 6749 §2.3.1, RFC 7617 §2).
 */
export function readBasic(encoded: string): Outcome<ClientSecret> {
  const malformed = err('credential_malformed', { hint: 'Basic takes base64 of client_id:client_secret' });
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(
      Uint8Array.from(atob(encoded), (c) => c.charCodeAt(0)),
    );
    const colon = text.indexOf(':');
    if (colon < 1) return malformed;
    const [clientId = '', secret = ''] = [text.slice(0, colon), text.slice(colon + 1)].map(formDecode);
    return ok({ kind: 'client-secret', clientId, secret });
  } catch (error) {
    if (error instanceof TypeError || error instanceof DOMException || error instanceof URIError)
      return malformed;
    throw error;
  }
}

const formDecode = (text: string): string => decodeURIComponent(text.replaceAll('+', ' '));
