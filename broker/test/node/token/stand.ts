import { AUDIENCE, TENANT } from '../auth0.ts';
import { type TestIssuer, testIssuer } from '../issuer.ts';
import { NOW, type StartedBroker, startNodeBroker } from '../start-broker.ts';

export interface TokenStand {
  readonly stand: StartedBroker;
  readonly tenant: TestIssuer;
  /** An access token of somebody, in time unless the claims say otherwise. */
  token(claims?: Record<string, unknown>): Promise<string>;
}

/** A broker that takes the access tokens of one Auth0 tenant. */
export async function openTokenStand(settings: Readonly<Record<string, string>> = {}): Promise<TokenStand> {
  const tenant = await testIssuer(TENANT);
  const stand = await startNodeBroker(
    { AUTH0_DOMAIN: 'tenant.test', AUTH0_AUDIENCE: AUDIENCE, ...settings },
    { [`${TENANT}.well-known/jwks.json`]: tenant.keySet },
  );
  return {
    stand,
    tenant,
    token: (claims) =>
      tenant.sign({ sub: 'auth0|alice', aud: AUDIENCE, iat: NOW - 60, exp: NOW + 3600, ...claims }),
  };
}
