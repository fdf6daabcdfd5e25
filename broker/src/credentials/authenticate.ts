import { anonymousId } from '@agent-ticket/shared/anonymous.ts';
import { PrincipalId } from '@agent-ticket/shared/names.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { isLoopback } from '@agent-ticket/shared/settings.ts';
import type { SignInPorts } from '../sign-in/ports.ts';
import { authenticateAccess } from './access.ts';
import { authenticateSession } from './auth0-session.ts';
import { authenticateBearer, type JwtPorts } from './bearer.ts';
import { ambientAllowed } from './origin-rule.ts';
import { type Presented, presentedCredential } from './presented.ts';
import { type Authenticated, plainPrincipal } from './principal.ts';
import { looksLikeSecret } from './secret.ts';
import { authenticateServiceToken, type ServiceTokenPorts } from './service-token.ts';

export interface CredentialPorts extends JwtPorts {
  readonly serviceTokens: ServiceTokenPorts;
  /** Origins of pages that may spend a cookie, our own among them. */
  readonly trustedOrigins: readonly string[];
  /** Our own origin as browsers know it. */
  readonly ownOrigin: string;
  /** Sign-in at the broker itself; left out: there is none. */
  readonly signIn: SignInPorts | undefined;
  /** Makes everyone on loopback the development principal. */
  readonly openToAll: boolean;
  readonly randomId: () => string;
}

/** Who makes a request. Without any credential it is an anonymous principal, new each time. `now` in ms. */
export async function authenticate(
  request: Request,
  ports: CredentialPorts,
  now: number,
): Promise<Outcome<Authenticated>> {
  if (ports.openToAll && isLoopback(new URL(request.url).hostname)) return ok(nobody('development', 'dev'));
  const presented = presentedCredential(request.headers, ports.signIn?.config.cookieName);
  return presented.ok ? verify(presented.value, request, ports, now) : presented;
}

async function verify(
  presented: Presented,
  request: Request,
  ports: CredentialPorts,
  now: number,
): Promise<Outcome<Authenticated>> {
  switch (presented.kind) {
    case 'none':
      return ok(anonymous(ports.randomId()));
    case 'client-secret':
      return authenticateServiceToken(presented, ports.serviceTokens, now);
    case 'bearer':
      return looksLikeSecret(presented.token)
        ? authenticateServiceToken({ secret: presented.token }, ports.serviceTokens, now)
        : authenticateBearer(presented.token, ports, now);
    case 'session': {
      if (ports.signIn === undefined) return ok(anonymous(ports.randomId()));
      return ambientAllowed(senderOf(request), 'cookie', ports.trustedOrigins)
        ? authenticateSession(presented.cookie, ports.signIn, now)
        : err('origin_not_allowed');
    }
    case 'access':
      return ambientAllowed(senderOf(request), presented.ambient, ports.trustedOrigins)
        ? authenticateAccess(presented.token, ports.access, now)
        : err('origin_not_allowed');
  }
}

const senderOf = (request: Request) => ({
  method: request.method,
  origin: request.headers.get('origin'),
});

/** The principal of a request that no credential was asked of, or that had none. */
export const anonymous = (id: string): Authenticated => nobody('anonymous', id);

const nobody = (method: 'anonymous' | 'development', name: string): Authenticated => ({
  method,
  principal: plainPrincipal({ id: PrincipalId.parse(anonymousId(name)), kind: 'user', issuer: 'broker' }),
});
