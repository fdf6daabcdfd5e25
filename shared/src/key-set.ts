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

/**
 * The accepted keys of a set, by algorithm. `alg` is required: for a key without it, the token's header would choose
 * the algorithm. Symmetric keys are never accepted. RSA needs at least 2048 bits and the exponent 65537.
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
  }),
  Ed25519: z.object({
    kty: z.literal('OKP'),
    crv: z.literal('Ed25519'),
    x: Bytes32,
    alg: z.literal('Ed25519'),
    kid,
    use,
  }),
  RS256: z.object({
    kty: z.literal('RSA'),
    n: Member,
    e: z.literal('AQAB'),
    alg: z.literal('RS256'),
    kid,
    use,
  }),
} as const;
export type SetAlgorithm = keyof typeof RULES;

/** Whether a member of a set has the shape of a key of these algorithms. Does NOT import it. */
export const isKeyOf = (member: unknown, algorithms: readonly SetAlgorithm[]): boolean =>
  algorithms.some((alg) => RULES[alg].safeParse(member).success);

const KeySetDocument = z.object({ keys: z.array(z.unknown()).max(100) });

/**
 * Reads a JWK Set (RFC 7517 §5) and imports the keys of the named algorithms. Malformed keys are skipped, and so is the
 * second of two keys with one `kid`. Returns `undefined` when no usable key is left, so that a caller never replaces a
 * good set by an empty one. Other members (Access adds certificates) are ignored.
 */
export async function readKeySet<Alg extends SetAlgorithm>(
  document: Uint8Array,
  algorithms: readonly Alg[],
): Promise<KeySet<Alg> | undefined> {
  const parsed = KeySetDocument.safeParse(readStrictJson(document));
  if (!parsed.success) return undefined;
  const keys = new Map<string, SetKey<Alg>>();
  for (const member of parsed.data.keys) {
    for (const alg of algorithms) {
      const jwk = RULES[alg].safeParse(member);
      if (!jwk.success || keys.has(jwk.data.kid)) continue;
      const key = await importPublic(jwk.data, alg);
      if (key !== undefined) keys.set(jwk.data.kid, { alg, key });
    }
  }
  return keys.size > 0 ? keys : undefined;
}

/** The imported key, or `undefined` for one that the runtime refuses (a point off the curve, for example). */
async function importPublic(
  jwk: z.infer<(typeof RULES)[SetAlgorithm]>,
  alg: string,
): Promise<CryptoKey | undefined> {
  try {
    const { kid: _kid, use: _use, ...members } = jwk;
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
