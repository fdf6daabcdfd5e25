import { randomBytes } from 'node:crypto';
import { calculateJwkThumbprint, SignJWT } from 'jose';
import Provider from 'oidc-provider';
import { accessTokenClaims } from './auth0-access-token.ts';
import { auth0Configuration, type TenantState } from './auth0-configuration.ts';
import { openKeyRing } from './key-ring.ts';
import type { Auth0Settings } from './options.ts';
import { tenantMemory } from './tenant-memory.ts';
import type { Auth0TokenRequest } from './token-requests.ts';

export interface Auth0Tenant {
  /** With a trailing slash, as Auth0 has it. */
  issuer: string;
  /** The OIDC provider with the keys of the moment; do not keep it over a rotation. */
  provider(): Provider;
  /** An access token as the tenant would issue it, without any flow. */
  token(request: Auth0TokenRequest): Promise<string>;
  rotate(): Promise<void>;
}

export async function openAuth0Tenant(
  settings: Auth0Settings,
  stateDir: string | undefined,
  now: () => number,
): Promise<Auth0Tenant> {
  const issuer = `https://${settings.domain}/`;
  const ring = await openKeyRing({
    name: 'auth0-keys',
    nameKey: (jwk) => calculateJwkThumbprint(jwk),
    stateDir,
  });
  const state: TenantState = { memory: tenantMemory(), cookieKey: randomBytes(32).toString('base64url') };
  // oidc-provider reads its keys once, so a rotation makes a new one over the same memory and cookies.
  const build = () => quietProvider(issuer, auth0Configuration(settings, state, ring.keys()));
  let provider = build();
  return {
    issuer,
    provider: () => provider,
    async rotate() {
      await ring.rotate();
      provider = build();
    },
    async token(request) {
      const [key] = ring.keys();
      const payload = { iss: issuer, ...accessTokenClaims(settings, request, now()), ...request.claims };
      return new SignJWT(payload)
        .setProtectedHeader({ alg: 'RS256', kid: key.kid, typ: 'JWT' })
        .sign(key.privateKey);
    },
  };
}

function quietProvider(...setup: ConstructorParameters<typeof Provider>): Provider {
  const provider = new Provider(...setup);
  provider.proxy = true; // URLs in answers then follow x-forwarded-proto and x-forwarded-host
  provider.silent = true;
  return provider;
}
