import { type CryptoKey, errors, importJWK } from 'jose';
import * as z from 'zod';
import { readStrictJson } from './strict-json.ts';

/** A public key of a set, with the one algorithm it may verify. */
export interface SetKey<Alg extends string> {
  readonly alg: Alg;
  readonly key: CryptoKey;
}
export type KeySet<Alg extends string> = ReadonlyMap<string, SetKey<Alg>>;

const Member = z.string().regex(/^[A-Za-z0-9_-]+$/);
/** A P-256 coordinate or an Ed25519 point: 32 bytes, no leading zeros added (RFC 7518 §6.2.1.2, RFC 8037 §2). */
const Bytes32 = Member.length(43);
const kid = z.string().min(1).max(256);
const use = z.literal('sig').optional();
const key_ops = z
  .array(z.string())
  .refine((operations) => operations.includes('verify'))
  .optional();

/**
 * The accepted keys of a set, by algorithm: one for each type of key, so that the key decides and never the header of a
 * token. Symmetric keys are never accepted. RSA needs at least 2048 bits and the exponent 65537.
 */
const RULES = {
  ES256: z.object({
    kty: z.literal('EC'),
    crv: z.literal('P-256'),
    x: Bytes32,
    y: Bytes32,
    alg: z.literal('ES256'),
    kid,
    use,
    key_ops,
  }),
  Ed25519: z.object({
    kty: z.literal('OKP'),
    crv: z.literal('Ed25519'),
    x: Bytes32,
    alg: z.literal('Ed25519'),
    kid,
    use,
    key_ops,
  }),
  RS256: z.object({
    kty: z.literal('RSA'),
    n: Member,
    e: z.literal('AQAB'),
    alg: z.literal('RS256'),
    kid,
    use,
    key_ops,
  }),
} as const;
export type SetAlgorithm = keyof typeof RULES;

/** Whether each key must have the member `alg`, as those of ours, Access and Auth0 do; it is optional in RFC 7517 §4.4. */
export type AlgMember = 'required' | 'optional';

/** The member with the algorithm of its type, where `alg` may be left out and is. */
const named = (member: unknown, alg: SetAlgorithm, presence: AlgMember): unknown =>
  presence === 'optional' && typeof member === 'object' && member !== null && !('alg' in member)
    ? { ...member, alg }
    : member;

/** Whether a member of a set has the shape of a key of these algorithms, `alg` optional. Does NOT import it. */
export const isKeyOf = (member: unknown, algorithms: readonly SetAlgorithm[]): boolean =>
  algorithms.some((alg) => RULES[alg].safeParse(named(member, alg, 'optional')).success);

const KeySetDocument = z.object({ keys: z.array(z.unknown()).max(100) });

/**
 * Reads a JWK Set (RFC 7517 §5) and imports the keys of the named algorithms. Malformed keys are skipped, and so is the
 * second of two keys with one `kid`. Returns `undefined` when no usable key is left, so that a caller never replaces a
 * good set by an empty one. Other members (Access adds certificates) are ignored.
 */
export async function readKeySet<Alg extends SetAlgorithm>(
  document: Uint8Array,
  algorithms: readonly Alg[],
  presence: AlgMember = 'required',
): Promise<KeySet<Alg> | undefined> {
  const parsed = KeySetDocument.safeParse(readStrictJson(document));
  if (!parsed.success) return undefined;
  const keys = new Map<string, SetKey<Alg>>();
  for (const member of parsed.data.keys) {
    for (const alg of algorithms) {
      const jwk = RULES[alg].safeParse(named(member, alg, presence));
      if (!jwk.success || keys.has(jwk.data.kid)) continue;
      const key = await importPublic(jwk.data, alg);
      if (key !== undefined) keys.set(jwk.data.kid, { alg, key });
    }
  }
  return keys.size > 0 ? keys : undefined;
}

/** Whether a document is a JWK Set with at least one key, usable or not: no outage that looks like a set. */
export function isKeySet(document: Uint8Array): boolean {
  const parsed = KeySetDocument.safeParse(readStrictJson(document));
  return parsed.success && parsed.data.keys.length > 0;
}

/** The imported key, or `undefined` for one that the runtime refuses (a point off the curve, for example). */
async function importPublic(
  jwk: z.infer<(typeof RULES)[SetAlgorithm]>,
  alg: string,
): Promise<CryptoKey | undefined> {
  try {
    const { kid: _kid, use: _use, key_ops: _operations, ...members } = jwk;
    const key = await importJWK(members, alg);
    return key instanceof Uint8Array || isShort(key) ? undefined : key;
  } catch (error) {
    if (error instanceof errors.JOSEError || error instanceof DOMException || error instanceof TypeError)
      return undefined;
    throw error;
  }
}

const MIN_RSA_BITS = 2048;

/** Whether an RSA modulus is too short once leading zero bytes are gone. */
const isShort = ({ algorithm }: CryptoKey): boolean =>
  'modulusLength' in algorithm &&
  typeof algorithm.modulusLength === 'number' &&
  algorithm.modulusLength < MIN_RSA_BITS;
