import type { KeySet, SetAlgorithm } from '@agent-ticket/shared/key-set.ts';
import { KeyId } from '@agent-ticket/shared/names.ts';
import { err, ok } from '@agent-ticket/shared/outcome.ts';
import {
  isCanonicalCompact,
  type OwnJwsKind,
  readJwsHeader,
  verifyOwnJws,
} from '@agent-ticket/shared/own-jws.ts';
import { CompactSign } from 'jose';
import * as z from 'zod';
import type { KeyMaterial } from '../keys/keyring.ts';

const CHECKPOINT_TYPE = 'agent-audit-checkpoint+jwt';
const MAX_BYTES = 2048;

const Hash = z.string().regex(/^[A-Za-z0-9_-]{43}$/);

/** The statement that the audit key signs: "after event `through` the head of the log was `hash`, and nothing came after it". */
export const CheckpointClaims = z.strictObject({
  iss: z.string(),
  /** Seconds since 1970. */
  iat: z.int().nonnegative(),
  /** 1, 2, 3 for the life of the log. */
  n: z.int().positive(),
  /** The last event covered, 0 for none. */
  through: z.int().nonnegative(),
  /** Events since the checkpoint before. */
  count: z.int().nonnegative(),
  /** Head before them, and after them. */
  previous: Hash,
  hash: Hash,
});
export type CheckpointClaims = z.infer<typeof CheckpointClaims>;

const CHECKPOINT: OwnJwsKind<CheckpointClaims> = {
  typ: CHECKPOINT_TYPE,
  maxBytes: MAX_BYTES,
  claims: CheckpointClaims,
  // Inside only: a checkpoint is no credential, and nobody is answered with its refusal.
  refusals: {
    spelling: 'field_invalid',
    header: 'field_invalid',
    signature: 'field_invalid',
    claims: 'field_invalid',
  },
};

export const signCheckpoint = (claims: CheckpointClaims, { alg, kid, privateKey }: KeyMaterial) =>
  new CompactSign(new TextEncoder().encode(JSON.stringify(claims)))
    .setProtectedHeader({ alg, typ: CHECKPOINT_TYPE, kid })
    .sign(privateKey);

const Header = z.object({ typ: z.literal(CHECKPOINT_TYPE), kid: KeyId });

/** The key that a checkpoint says it is signed with, not verified; `undefined` where it is none. */
export const namedKey = (jws: string): string | undefined =>
  isCanonicalCompact(jws, MAX_BYTES) ? Header.safeParse(readJwsHeader(jws)).data?.kid : undefined;

/**
 * The claims of a checkpoint, or `undefined` unless one of the keys signed it. Does NOT check the claims against a log, nor
 * the issuer.
 */
export async function readCheckpoint(
  jws: string,
  keys: KeySet<SetAlgorithm>,
): Promise<CheckpointClaims | undefined> {
  const verified = await verifyOwnJws(jws, CHECKPOINT, async (kid) => {
    const key = keys.get(kid);
    return key === undefined ? err('key_unknown') : ok(key);
  });
  return verified.ok ? verified.value.claims : undefined;
}
