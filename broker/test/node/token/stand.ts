import { type TestIssuer, testIssuer } from '../issuer.ts';
import { NOW, openStand, type Stand } from '../stand.ts';

export const TENANT = 'https://tenant.test/';
export const AUDIENCE = 'https://broker.test/api';
export const ALICE = 'auth0:tenant.test:auth0|alice';

export interface TenantStand {
  readonly stand: Stand;
  readonly tenant: TestIssuer;
  /** An access token of somebody, in time unless the claims say otherwise. */
  token(claims?: Record<string, unknown>): Promise<string>;
}

/** A broker that takes the access tokens of one Auth0 tenant. */
export async function openTenantStand(settings: Readonly<Record<string, string>> = {}): Promise<TenantStand> {
  const tenant = await testIssuer(TENANT);
  const stand = await openStand(
    { AUTH0_DOMAIN: 'tenant.test', AUTH0_AUDIENCE: AUDIENCE, ...settings },
    { 'https://tenant.test/.well-known/jwks.json': tenant.keySet },
  );
  return {
    stand,
    tenant,
    token: (claims) =>
      tenant.sign({ sub: 'auth0|alice', aud: AUDIENCE, iat: NOW - 60, exp: NOW + 3600, ...claims }),
  };
}
