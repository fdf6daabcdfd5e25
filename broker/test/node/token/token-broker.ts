import { AUDIENCE, TENANT } from '../auth0.ts';
import { type TestIssuer, testIssuer } from '../issuer.ts';
import { NOW, type StartedBroker, startNodeBroker } from '../start-broker.ts';

export interface TokenBroker {
  readonly broker: StartedBroker;
  readonly tenant: TestIssuer;
  /** An access token of somebody, in time unless the claims say otherwise. */
  token(claims?: Record<string, unknown>): Promise<string>;
}

/** A broker that takes the access tokens of one Auth0 tenant. */
export async function openTokenBroker(settings: Readonly<Record<string, string>> = {}): Promise<TokenBroker> {
  const tenant = await testIssuer(TENANT);
  const broker = await startNodeBroker(
    { AUTH0_DOMAIN: 'tenant.test', AUTH0_AUDIENCE: AUDIENCE, ...settings },
    { [`${TENANT}.well-known/jwks.json`]: tenant.keySet },
  );
  return {
    broker,
    tenant,
    token: (claims) =>
      tenant.sign({ sub: 'auth0|alice', aud: AUDIENCE, iat: NOW - 60, exp: NOW + 3600, ...claims }),
  };
}
