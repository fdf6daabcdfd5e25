import type { NewSigningKey, SigningKeyRow } from '@agent-ticket/drizzle/control/signing-keys.ts';
import { KeyId } from '@agent-ticket/shared/names.ts';
import { TicketAlgorithm } from '@agent-ticket/shared/ticket.ts';
import {
  type CryptoKey,
  calculateJwkThumbprint,
  exportJWK,
  generateKeyPair,
  importJWK,
  type JWK,
} from 'jose';
import { type SealingKeys, seal, unsealWith } from './seal.ts';

/** A key pair ready for use. The private half cannot be exported again. */
export interface KeyMaterial {
  readonly kid: KeyId;
  readonly alg: TicketAlgorithm;
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
  /** As published: public members, `kid`, `alg`, `use`. */
  readonly publicJwk: JWK;
}

/** Makes a key pair and the row that keeps it, encrypted. */
export async function makeKey(
  { current: kek }: SealingKeys,
  facts: Pick<NewSigningKey, 'purpose' | 'generation' | 'createdAt' | 'activatesAt'> & {
    alg: TicketAlgorithm;
  },
  randomBytes: (length: number) => Uint8Array<ArrayBuffer>,
): Promise<NewSigningKey> {
  const { privateKey } = await generateKeyPair(facts.alg, { extractable: true });
  const privateJwk = await exportJWK(privateKey);
  const kid = await calculateJwkThumbprint(privateJwk);
  return { ...facts, kid, sealed: await seal(kek, { kid, ...facts }, privateJwk, randomBytes) };
}

/**
 * Opens a row. Answers `undefined` unless the ciphertext opens under the row's own labels and the public half's
 * RFC 7638 thumbprint is the row's `kid`: write access to the database publishes no key.
 */
export async function openKey(keks: SealingKeys, row: SigningKeyRow): Promise<KeyMaterial | undefined> {
  const alg = TicketAlgorithm.safeParse(row.alg);
  const privateJwk = (await unsealWith(keks, row, row.sealed))?.jwk;
  if (!alg.success || privateJwk === undefined) return undefined;
  const { d: _private, ...publicMembers } = privateJwk;
  const kid = KeyId.parse(await calculateJwkThumbprint(publicMembers));
  if (kid !== row.kid) return undefined;
  return {
    kid,
    alg: alg.data,
    privateKey: await importKey(privateJwk, alg.data),
    publicKey: await importKey(publicMembers, alg.data),
    publicJwk: { ...publicMembers, kid, alg: alg.data, use: 'sig' },
  };
}

async function importKey(jwk: JWK, alg: string): Promise<CryptoKey> {
  const key = await importJWK(jwk, alg, { extractable: false });
  if (key instanceof Uint8Array) throw new TypeError('a signing key is never symmetric');
  return key;
}
