import { type CryptoKey, exportJWK, generateKeyPair, importJWK } from 'jose';
import * as z from 'zod';

const base64url = z.string().regex(/^[A-Za-z0-9_-]+$/);

/** A private RSA key with its CRT parameters, which oidc-provider insists on. */
export const rsaPrivateJwk = z.object({
  kty: z.literal('RSA'),
  n: base64url,
  e: base64url,
  d: base64url,
  p: base64url,
  q: base64url,
  dp: base64url,
  dq: base64url,
  qi: base64url,
});

export type RsaPrivateJwk = z.infer<typeof rsaPrivateJwk>;

/** One RS256 key; `jwk` is private, `publicJwk` is what a key document publishes. */
export interface SigningKey {
  kid: string;
  jwk: RsaPrivateJwk;
  publicJwk: { kid: string; kty: 'RSA'; alg: 'RS256'; use: 'sig'; e: string; n: string };
  privateKey: CryptoKey;
  publicKey: CryptoKey;
}

/** Each platform names its keys in its own way. */
export type NameKey = (jwk: RsaPrivateJwk) => string | Promise<string>;

export async function makeSigningKey(nameKey: NameKey): Promise<SigningKey> {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  return openSigningKey(rsaPrivateJwk.parse(await exportJWK(privateKey)), nameKey);
}

export async function openSigningKey(jwk: RsaPrivateJwk, nameKey: NameKey): Promise<SigningKey> {
  const kid = await nameKey(jwk);
  const publicJwk = { kid, kty: jwk.kty, alg: 'RS256', use: 'sig', e: jwk.e, n: jwk.n } as const;
  const [privateKey, publicKey] = await Promise.all([importRsa(jwk), importRsa(publicJwk)]);
  return { kid, jwk, publicJwk, privateKey, publicKey };
}

async function importRsa(jwk: { kty: 'RSA'; e: string; n: string }): Promise<CryptoKey> {
  const key = await importJWK(jwk, 'RS256', { extractable: true });
  if (key instanceof Uint8Array) throw new TypeError('an RSA key must not open as a byte string');
  return key;
}
