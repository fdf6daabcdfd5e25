import type { NewSigningKey, SigningKeyRow } from '@agent-ticket/drizzle/control/signing-keys.ts';
import type { AuditEvent } from '@agent-ticket/shared/audit-event.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import type { TicketAlgorithm } from '@agent-ticket/shared/ticket.ts';
import type { Keyring } from './keyring.ts';
import { stateOf } from './schedule.ts';

export interface Rotation {
  readonly row: SigningKeyRow;
  readonly previous: SigningKeyRow & { readonly retiresAt: number; readonly removedAt: number };
}

export interface RotationOrder {
  /** In ms. */
  readonly now: number;
  /**
   * `scheduled`: the next key signs once every verifier has had time to learn it; `now`: at once, at the price that
   * verifiers without a binding may ask clients to retry.
   */
  readonly activate: 'scheduled' | 'now';
  /** Left out: that of the active key. */
  readonly alg?: TicketAlgorithm | undefined;
  /** What the audit log says of it. Written with the key, or not at all. */
  readonly eventOf: (rotation: Rotation) => AuditEvent;
}

const rowOf = (key: NewSigningKey): SigningKeyRow => ({
  ...key,
  retiresAt: null,
  removedAt: null,
  revokedAt: null,
});

/**
 * Makes the next key. Refuses while another rotation is pending, and where the active key does not open: a wrong
 * key-encryption key must not go unnoticed under a new key. Of two at once one makes a key.
 */
export async function rotate(keyring: Keyring, order: RotationOrder): Promise<Outcome<Rotation>> {
  const { now, activate, alg, eventOf } = order;
  keyring.forget();
  const signer = await keyring.signer(now);
  if (!signer.ok) return signer;
  // Only keys that open count: a row that somebody wrote must not hold up rotations.
  const usable = await keyring.current(now);
  if (usable.some(({ row }) => stateOf(row, now) === 'pending')) return err('rotation_pending');
  const rows = await keyring.rows(now);
  const { row: active, material } = signer.value;

  const { leadMs, lagMs } = keyring.schedule;
  const activatesAt = activate === 'now' ? now : now + leadMs;
  const end = { retiresAt: activatesAt, removedAt: activatesAt + lagMs };
  const generation = Math.max(...rows.map((row) => row.generation)) + 1;
  const key = await keyring.make(generation, alg ?? material.alg, now, activatesAt);
  const rotation = { row: rowOf(key), previous: { ...active, ...end } };
  const won = await keyring.keys.insertNext(key, end, eventOf(rotation));
  keyring.forget();
  return won ? ok(rotation) : err('rotation_pending');
}
