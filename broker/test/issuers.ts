import { HOST } from './call.ts';
import { secret } from './canaries.ts';
import { NOW } from './clock.ts';
import { type TestIssuer, testIssuer } from './node/issuer.ts';
import { outbound } from './outbound.ts';
import { SETTINGS } from './settings.ts';

/** An Auth0 tenant, and a platform that gives tokens to workloads. What they sign is secret. */

const TENANT = `https://${SETTINGS.AUTH0_DOMAIN}/`;
const tenant = await testIssuer(TENANT);
const platform = await testIssuer('https://platform.test');

/** What a broker is set to, to take tokens of the platform. */
export const PLATFORM_SETTINGS = {
  OIDC_ISSUERS: JSON.stringify([
    {
      name: 'platform',
      issuer: platform.issuer,
      audiences: [HOST],
      match: [{ claim: 'sub', glob: 'job:*' }],
      jwks: platform.keySet,
    },
  ]),
};

/** From here to the end of the test the tenant publishes its keys. */
export const serveTenant = (): void =>
  outbound.serve(`${TENANT}.well-known/jwks.json`, () => Response.json(tenant.keySet));

const sign = async (by: TestIssuer, claims: object): Promise<string> =>
  secret(await by.sign({ iat: NOW, exp: NOW + 600, ...claims }));

/** An access token of somebody, in time unless the claims say otherwise. */
export const accessToken = (claims: object = {}): Promise<string> =>
  sign(tenant, { sub: 'auth0|alice', aud: SETTINGS.AUTH0_AUDIENCE, ...claims });

export const workloadToken = (claims: object = {}): Promise<string> =>
  sign(platform, { sub: 'job:report', aud: HOST, ...claims });
