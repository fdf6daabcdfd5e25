import { randomBytes } from 'node:crypto';
import { calculateJwkThumbprint, SignJWT } from 'jose';
import Provider, { type Adapter, type AdapterFactory, type AdapterPayload } from 'oidc-provider';
import { accessTokenClaims } from './auth0-api.ts';
import { auth0Configuration, type TenantState } from './auth0-configuration.ts';
import { openKeyRing } from './key-ring.ts';
import type { Auth0Settings } from './options.ts';
import type { Auth0TokenRequest } from './token-requests.ts';

export interface Auth0Tenant {
  /** With a trailing slash, as Auth0 has it. */
  issuer: string;
  /** The OIDC provider with the present keys; a rotation replaces it. */
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

interface Entry {
  payload: AdapterPayload;
  expiresAtMs: number;
}

/**
 * Storage of the OIDC provider for sessions, codes and grants, in memory. Apart from the provider object, because a key
 * rotation replaces that object and must not sign anyone out.
 */
function tenantMemory(): AdapterFactory {
  const entries = new Map<string, Entry>();

  const live = (key: string): AdapterPayload | undefined => {
    const entry = entries.get(key);
    if (entry && entry.expiresAtMs <= Date.now()) entries.delete(key);
    return entries.get(key)?.payload;
  };
  const firstWhere = (model: string, matches: (payload: AdapterPayload) => boolean) => {
    for (const [key, { payload }] of entries) {
      if (key.startsWith(`${model}:`) && matches(payload)) return live(key);
    }
    return undefined;
  };

  return (model): Adapter => ({
    async upsert(id, payload, expiresIn) {
      const expiresAtMs = expiresIn === undefined ? Number.POSITIVE_INFINITY : Date.now() + expiresIn * 1000;
      entries.set(`${model}:${id}`, { payload, expiresAtMs });
    },
    find: async (id) => live(`${model}:${id}`),
    findByUid: async (uid) => firstWhere(model, (payload) => payload.uid === uid),
    findByUserCode: async (userCode) => firstWhere(model, (payload) => payload.userCode === userCode),
    async consume(id) {
      const payload = live(`${model}:${id}`);
      if (payload) payload.consumed = Math.floor(Date.now() / 1000);
    },
    async destroy(id) {
      entries.delete(`${model}:${id}`);
    },
    async revokeByGrantId(grantId) {
      for (const [key, { payload }] of entries) {
        if (key.startsWith(`${model}:`) && payload.grantId === grantId) entries.delete(key);
      }
    },
  });
}
