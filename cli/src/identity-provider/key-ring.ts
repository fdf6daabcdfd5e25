import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type CryptoKey, exportJWK, generateKeyPair, importJWK } from 'jose';
import * as z from 'zod';
import { hasCode } from '../error-code.ts';

/** Two published keys: the first signs, the second lets tokens from before the last rotation still verify. */
export interface KeyRing {
  keys(): readonly [current: SigningKey, previous: SigningKey];
  /** Makes a new key sign; tokens from before the last rotation but one no longer verify. */
  rotate(): Promise<void>;
}

interface KeyRingOptions {
  /** Name of the file within `stateDir`, without its extension. */
  name: string;
  nameKey: NameKey;
  stateDir: string | undefined;
}

export async function openKeyRing({ name, nameKey, stateDir }: KeyRingOptions): Promise<KeyRing> {
  const path = stateDir === undefined ? undefined : join(stateDir, `${name}.json`);
  const stored = path === undefined ? undefined : readKeyFile(path);
  const open = (jwk: RsaPrivateJwk | undefined) =>
    jwk ? openSigningKey(jwk, nameKey) : makeSigningKey(nameKey);
  let [current, previous] = await Promise.all([open(stored?.[0]), open(stored?.[1])]);

  const save = () => {
    if (path !== undefined) writeKeyFile(path, [current.jwk, previous.jwk]);
  };
  if (!stored) save();
  return {
    keys: () => [current, previous],
    async rotate() {
      const next = await makeSigningKey(nameKey);
      // No await from here on, so that file and memory agree after concurrent rotations.
      [current, previous] = [next, current];
      save();
    },
  };
}

const base64url = z.string().regex(/^[A-Za-z0-9_-]+$/);

/** A private RSA key with its CRT parameters, which oidc-provider insists on. */
const rsaPrivateJwk = z.object({
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

type RsaPrivateJwk = z.infer<typeof rsaPrivateJwk>;

/** One RS256 key; `jwk` is private, `publicJwk` is what a key document publishes. */
export interface SigningKey {
  kid: string;
  jwk: RsaPrivateJwk;
  publicJwk: { kid: string; kty: 'RSA'; alg: 'RS256'; use: 'sig'; e: string; n: string };
  privateKey: CryptoKey;
  publicKey: CryptoKey;
}

/** Derives the `kid`, which each platform does differently. */
type NameKey = (jwk: RsaPrivateJwk) => string | Promise<string>;

async function makeSigningKey(nameKey: NameKey): Promise<SigningKey> {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  return openSigningKey(rsaPrivateJwk.parse(await exportJWK(privateKey)), nameKey);
}

async function openSigningKey(jwk: RsaPrivateJwk, nameKey: NameKey): Promise<SigningKey> {
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

const keyFile = z.strictObject({ keys: z.tuple([rsaPrivateJwk, rsaPrivateJwk]) });

/** The two private keys in the file at `path`, newest first; undefined when there is no such file. */
function readKeyFile(path: string): [RsaPrivateJwk, RsaPrivateJwk] | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
  try {
    return keyFile.parse(JSON.parse(text)).keys;
  } catch {
    // Without a cause: parse errors quote their input, and this file contains private keys.
    throw new Error(`key file ${path} is damaged; delete it to start with new keys`);
  }
}

/** Replaces the file in one step, readable by its owner only. */
function writeKeyFile(path: string, keys: readonly [RsaPrivateJwk, RsaPrivateJwk]): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const unfinished = `${path}.${process.pid}.new`;
  writeFileSync(unfinished, JSON.stringify({ keys }), { mode: 0o600 });
  renameSync(unfinished, path);
}
