import { type CryptoKey, exportJWK, exportSPKI, generateKeyPair, type JWK, SignJWT } from 'jose';
import { secret } from './canaries.ts';
import { NOW } from './clock.ts';
import { outbound } from './outbound.ts';
import { SETTINGS } from './settings.ts';

/** A Cloudflare Access organisation with real keys: what it signs, and the document in which it publishes them. */

export const TEAM = SETTINGS.CF_ACCESS_TEAM_DOMAIN;
export const CERTS_URL = `https://${TEAM}/cdn-cgi/access/certs`;
export const USER = '7f6f2a3e-5f0c-4f52-9d5d-0d6e7f3f9c11';
export const ACCESS_CLIENT = `${'c0ffee00'.repeat(4)}.access`;

interface AccessKey {
  readonly kid: string;
  readonly privateKey: CryptoKey;
  readonly jwk: JWK;
  readonly pem: string;
}

export async function makeAccessKey(alg = 'RS256'): Promise<AccessKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  const members = await exportJWK(publicKey);
  const name = new TextEncoder().encode(members.n ?? members.x);
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', name));
  const kid = [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return { kid, privateKey, jwk: { ...members, kid, alg, use: 'sig' }, pem: await exportSPKI(publicKey) };
}

/** The two keys that Access has at any time. */
export const accessKeys: readonly [AccessKey, AccessKey] = [await makeAccessKey(), await makeAccessKey()];

/** The document of an organisation, certificates and all. */
export const certsOf = (keys: readonly AccessKey[]) => ({
  keys: keys.map(({ jwk }) => jwk),
  public_cert: { kid: keys[0]?.kid, cert: keys[0]?.pem },
  public_certs: keys.map(({ kid, pem }) => ({ kid, cert: pem })),
});

export const serveCerts = (keys: readonly AccessKey[] = accessKeys): void =>
  outbound.serve(CERTS_URL, () => Response.json(certsOf(keys)));

/** What Access says of a person who signed in now. */
export const USER_CLAIMS = {
  iss: `https://${TEAM}`,
  aud: [SETTINGS.CF_ACCESS_AUD],
  type: 'app',
  email: 'person@example.com',
  sub: USER,
  iat: NOW,
  nbf: NOW,
  exp: NOW + 86_400,
  identity_nonce: '0123456789abcdef',
  country: 'NL',
};

/** What it says of one of its own service tokens. */
export const SERVICE_CLAIMS = {
  iss: `https://${TEAM}`,
  aud: [SETTINGS.CF_ACCESS_AUD],
  type: 'app',
  common_name: ACCESS_CLIENT,
  sub: '',
  iat: NOW,
  exp: NOW + 86_400,
};

/** An assertion with some claims replaced; `undefined` leaves one out. */
export async function assertion(
  claims: object = {},
  {
    key = accessKeys[0],
    header = {},
    base = USER_CLAIMS,
  }: { key?: AccessKey; header?: object; base?: object } = {},
): Promise<Readonly<Record<string, string>>> {
  const payload = { ...base, ...claims };
  const token = await new SignJWT(payload)
    .setProtectedHeader({ alg: key.jwk.alg ?? '', kid: key.kid, typ: 'JWT', ...header })
    .sign(key.privateKey);
  return asAssertion(secret(token));
}

export const asAssertion = (token: string) => ({ 'cf-access-jwt-assertion': token });
