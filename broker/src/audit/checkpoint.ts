import type { KeySet, SetAlgorithm } from '@agent-ticket/shared/key-set.ts';
import { isCanonicalCompact } from '@agent-ticket/shared/own-jws.ts';
import { readStrictJson } from '@agent-ticket/shared/strict-json.ts';
import { TICKET_ALGORITHMS } from '@agent-ticket/shared/ticket.ts';
import { base64url, CompactSign, compactVerify, errors } from 'jose';
import * as z from 'zod';
import type { KeyMaterial } from '../keys/material.ts';

const CHECKPOINT_TYPE = 'agent-audit-checkpoint+jwt';

const MAX_BYTES = 2048;
const Hash = z.string().regex(/^[A-Za-z0-9_-]{43}$/);

/** What the audit key signs: "after event `through` the head of the log was `hash`, and nothing came after it". */
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

const Header = z.strictObject({
  alg: z.enum(TICKET_ALGORITHMS),
  typ: z.literal(CHECKPOINT_TYPE),
  kid: z.string(),
});

export const signCheckpoint = (claims: CheckpointClaims, { alg, kid, privateKey }: KeyMaterial) =>
  new CompactSign(new TextEncoder().encode(JSON.stringify(claims)))
    .setProtectedHeader({ alg, typ: CHECKPOINT_TYPE, kid })
    .sign(privateKey);

const headerOf = (jws: string) =>
  isCanonicalCompact(jws, MAX_BYTES)
    ? Header.safeParse(readStrictJson(base64url.decode(jws.slice(0, jws.indexOf('.'))))).data
    : undefined;

/** The key that a checkpoint says it is signed with, `undefined` where it is none. Believes it unchecked. */
export const namedKey = (jws: string): string | undefined => headerOf(jws)?.kid;

/**
 * The claims of a checkpoint, or `undefined` unless one of the keys signed it. Does NOT check the claims against a
 * log, nor the issuer.
 */
export async function readCheckpoint(
  jws: string,
  keys: KeySet<SetAlgorithm>,
): Promise<CheckpointClaims | undefined> {
  const header = headerOf(jws);
  const key = header === undefined ? undefined : keys.get(header.kid);
  if (header === undefined || key === undefined || key.alg !== header.alg) return undefined;
  try {
    const { payload } = await compactVerify(jws, key.key, { algorithms: [key.alg] });
    return CheckpointClaims.safeParse(readStrictJson(payload)).data;
  } catch (error) {
    if (error instanceof errors.JOSEError) return undefined;
    throw error;
  }
}
