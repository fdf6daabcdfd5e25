import { PrincipalId } from '@agent-ticket/shared/names.ts';
import { allow, deny, type Outcome } from '@agent-ticket/shared/outcome.ts';
import type { createRemoteKeys } from '@agent-ticket/shared/remote-keys.ts';
import type { AccessIssuer } from '../config.ts';
import type { Authenticated } from '../principal.ts';
import { authenticateAccess } from './access.ts';
import { type Presented, presentedCredential } from './presented.ts';
import { looksLikeSecret } from './secret.ts';
import { authenticateServiceToken, type ServiceTokenPorts } from './service-token.ts';

export interface CredentialPorts extends ServiceTokenPorts {
  readonly access?: {
    readonly issuer: AccessIssuer;
    readonly keys: ReturnType<typeof createRemoteKeys<'RS256'>>;
  };
  readonly randomId: () => string;
}

/** Who makes a request. Without any credential it is an anonymous principal, new each time. `now` in ms. */
export async function authenticate(
  headers: Headers,
  ports: CredentialPorts,
  now: number,
): Promise<Outcome<Authenticated>> {
  const presented = presentedCredential(headers);
  return presented.ok ? verifyPresented(presented.value, ports, now) : presented;
}

async function verifyPresented(
  presented: Presented,
  ports: CredentialPorts,
  now: number,
): Promise<Outcome<Authenticated>> {
  switch (presented.kind) {
    case 'none':
      return allow(anonymous(ports.randomId()));
    case 'client-secret':
      return authenticateServiceToken(presented, ports, now);
    case 'bearer':
      return looksLikeSecret(presented.token)
        ? authenticateServiceToken({ secret: presented.token }, ports, now)
        : deny('credential_issuer_unknown', { hint: 'no issuer of bearer tokens is registered here' });
    case 'access-assertion':
      return ports.access === undefined
        ? deny('credential_issuer_unknown', { hint: 'Cloudflare Access is not configured here' })
        : authenticateAccess(presented.token, ports.access.issuer, ports.access.keys, now);
  }
}

const anonymous = (id: string): Authenticated => ({
  method: 'anonymous',
  principal: {
    id: PrincipalId.parse(`anonymous:${id}`),
    kind: 'user',
    issuer: 'broker',
    groups: [],
    tier: 'free',
    permissions: [],
  },
});
