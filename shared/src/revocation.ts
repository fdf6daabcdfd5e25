import * as z from 'zod';
import { CLOCK_SKEW_SECONDS, SESSION_SECONDS, TICKET_TTL_SECONDS } from './limits.ts';
import { readTargetName } from './target.ts';

/** The close code of a session that is hit, and the refusal of a ticket. The first that applies decides. */
export const REVOCATION_CODES = ['locked', 'session_terminated', 'rights_changed'] as const;
export type RevocationCode = (typeof REVOCATION_CODES)[number];

/**
 * A revocation of tickets. The control database is authoritative; the record database and the objects have copies. Of
 * two versions of one row the one with the greater `rev` counts, in any order of arrival. A lift is a newer version
 * whose `until` has passed, never a deletion.
 */
export const Revocation = z.strictObject({
  /** Names the row: versions of one row have one id. */
  id: z.string().min(1).max(700),
  /** Number that the control database gave to the change; greater than that of every earlier change. */
  rev: z.int().positive(),
  /** Canonical name, see {@link readTargetName}. */
  target: z.string().max(640).refine(isTargetName),
  /** `any`: hits whatever ticket. `before`: hits tickets whose own `rev` is smaller, which were decided before. */
  kind: z.enum(['any', 'before']),
  /** When it stops to hit, in ms; null: never. */
  until: z.int().nullable(),
  code: z.enum(REVOCATION_CODES),
});
export type Revocation = z.infer<typeof Revocation>;

function isTargetName(name: string): boolean {
  try {
    readTargetName(name);
    return true;
  } catch (error) {
    if (error instanceof z.ZodError) return false;
    throw error;
  }
}

/**
 * The longest time in ms for which a session can keep rights from before a change: the longest session without a
 * renewal (a renewal needs a ticket from after the change), and the clock skew of both sides. A `before` revocation is
 * in force for this time. Every copy is kept this long past its `until`, so that a late retry cannot restore an older
 * version.
 */
export const REVOCATION_KEPT_MS = (SESSION_SECONDS + 2 * CLOCK_SKEW_SECONDS) * 1000;

/**
 * How long after its arrival in the record database a revocation can hit a ticket that is valid, in ms: a ticket that was
 * minted after the change carries its `rev`, so those that it hits were minted before. With 30 s for a slow delivery.
 */
export const REVOCATION_FRESH_MS = (TICKET_TTL_SECONDS.max + 2 * CLOCK_SKEW_SECONDS + 30) * 1000;

/** The parts of a ticket that decide whether a revocation hits it. */
export interface Revocable {
  /** Of every target that the ticket belongs to, see `targetNamesOf`. */
  readonly names: readonly string[];
  readonly rev: number;
}

/** Whether a revocation hits a ticket. `now` in ms. The databases have the same condition in SQL. */
export const isHit = (
  { names, rev }: Revocable,
  row: Pick<Revocation, 'target' | 'kind' | 'rev' | 'until'>,
  now: number,
): boolean =>
  names.includes(row.target) &&
  (row.until === null || row.until > now) &&
  (row.kind === 'any' || rev < row.rev);

/** Of the revocations that hit a ticket one with the strongest code. `now` in ms. */
export function strongestHit(
  ticket: Revocable,
  rows: readonly Revocation[],
  now: number,
): Revocation | undefined {
  const hits = rows.filter((row) => isHit(ticket, row, now));
  const code = strongestCode(hits.map((hit) => hit.code));
  return hits.find((hit) => hit.code === code);
}

/** The strongest code of several revocations; `undefined` for an empty list. */
export const strongestCode = (codes: readonly string[]): RevocationCode | undefined =>
  REVOCATION_CODES.find((code) => codes.includes(code));
