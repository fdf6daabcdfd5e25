import { anonymousId } from '@agent-ticket/shared/anonymous.ts';
import { PrincipalId } from '@agent-ticket/shared/names.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { isLoopback } from '@agent-ticket/shared/settings.ts';
import { authenticateAccess } from './access.ts';
import { authenticateSession, openSignIn, readSignIn, type SignInPorts } from './auth0-session.ts';
import { authenticateBearer, type JwtPorts } from './bearer.ts';
import type { IssuerWithKeys } from './foreign-jwt.ts';
import { type Presented, presentedCredential } from './presented.ts';
import { type Authenticated, plainPrincipal } from './principal.ts';
import type { CaepTransmitter } from './registered-keys.ts';
import { looksLikeSecret } from './secret.ts';
import {
  type Credential,
  isUnverified,
  lookUpSecret,
  readSecret,
  type ServiceTokenPorts,
} from './service-token.ts';

export interface CredentialPorts extends JwtPorts {
  readonly serviceTokens: ServiceTokenPorts;
  /** Origins of pages that may use a cookie, our own among them. */
  readonly trustedOrigins: readonly string[];
  /** Our own origin as browsers know it. */
  readonly ownOrigin: string;
  /** Sign-in at the broker itself; `undefined`: there is none. */
  readonly signIn: SignInPorts | undefined;
  /** Transmitters of security events. */
  readonly caep: readonly IssuerWithKeys<CaepTransmitter>[];
  /** Makes everyone on loopback the development principal. */
  readonly openToAll: boolean;
  readonly randomId: () => string;
}

/** The principal of a request. Without any credential it is an anonymous one, new each time. `now` in ms. */
export async function authenticate(
  request: Request,
  ports: CredentialPorts,
  now: number,
): Promise<Outcome<Authenticated>> {
  const read = await verifyPresented(request, ports, now, readSignIn);
  if (!read.ok) return read;
  return isUnverified(read.value) ? lookUpSecret(read.value, ports.serviceTokens, now) : ok(read.value);
}

/**
 * {@link authenticate} without what the mint shard reads with its other facts: the lookup of a service token, and whether
 * a sign-in by cookie has ended. Only for requests that the shard decides.
 */
export const readCredential = (
  request: Request,
  ports: CredentialPorts,
  now: number,
): Promise<Outcome<Credential>> => verifyPresented(request, ports, now, openSignIn);

async function verifyPresented(
  request: Request,
  ports: CredentialPorts,
  now: number,
  readSession: typeof openSignIn,
): Promise<Outcome<Credential>> {
  if (ports.openToAll && isLoopback(new URL(request.url).hostname))
    return ok(withoutCredential('development', 'dev'));
  const presented = presentedCredential(request.headers, ports.signIn?.config.cookieName);
  return presented.ok ? verify(presented.value, request, ports, now, readSession) : presented;
}

async function verify(
  presented: Presented,
  request: Request,
  ports: CredentialPorts,
  now: number,
  readSession: typeof openSignIn,
): Promise<Outcome<Credential>> {
  switch (presented.kind) {
    case 'none':
      return ok(anonymous(ports.randomId()));
    case 'client-secret':
      return readSecret(presented, ports.serviceTokens);
    case 'bearer':
      return looksLikeSecret(presented.token)
        ? readSecret({ secret: presented.token }, ports.serviceTokens)
        : authenticateBearer(presented.token, ports, now);
    case 'session': {
      if (ports.signIn === undefined) return ok(anonymous(ports.randomId()));
      if (!mayUseAmbient(request, 'cookie', ports.trustedOrigins)) return err('origin_not_allowed');
      return forPage(
        await authenticateSession(presented.cookie, ports.signIn, now, readSession),
        request,
        ports,
      );
    }
    case 'access':
      if (!mayUseAmbient(request, presented.ambient, ports.trustedOrigins)) return err('origin_not_allowed');
      return forPage(await authenticateAccess(presented.token, ports.access, now), request, ports);
  }
}

/** Methods that change nothing (RFC 9110 §9.2.1); a page of another origin cannot read their answer. */
const SAFE = ['GET', 'HEAD'];

/**
 * Whether a request may use a credential that the browser adds by itself. A cookie needs a listed origin for every method
 * that may change something. So does the assertion that Access makes of its cookie, when a browser sent the request,
 * which `Origin` shows: no page can drive a client that sends none.
 */
function mayUseAmbient(
  { method, headers }: Request,
  kind: 'cookie' | 'assertion',
  allowed: readonly string[],
): boolean {
  const origin = headers.get('origin');
  if (SAFE.includes(method)) return true;
  if (origin === null) return kind === 'assertion';
  return allowed.includes(origin);
}

/**
 * The principal as the page of a request has it. A listed page acts for its person, for tickets and grants of the person's own.
 * It has none of the person's permissions for a change, or the agents' pages could act as any operator who visits them.
 */
function forPage(
  read: Outcome<Authenticated>,
  { method, headers, url }: Request,
  { ownOrigin }: CredentialPorts,
): Outcome<Authenticated> {
  const origin = headers.get('origin');
  const isOwn =
    origin === null ||
    origin === ownOrigin ||
    // A host of its own for people, of which no setting says the name.
    (URL.canParse(origin) && new URL(origin).host === new URL(url).host);
  if (!read.ok || isOwn || SAFE.includes(method)) return read;
  return ok({ ...read.value, principal: { ...read.value.principal, permissions: [] } });
}

/** The principal of a request that no credential was asked of, or that had none. */
export const anonymous = (id: string): Authenticated => withoutCredential('anonymous', id);

const withoutCredential = (method: 'anonymous' | 'development', name: string): Authenticated => ({
  method,
  principal: plainPrincipal({ id: PrincipalId.parse(anonymousId(name)), kind: 'user', issuer: 'broker' }),
});
