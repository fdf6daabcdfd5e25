import type { KeyRevocation, Successor } from '@agent-ticket/drizzle/control/key-revocation.ts';
import type { SigningKeyRow } from '@agent-ticket/drizzle/control/signing-keys.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { TicketAlgorithm } from '@agent-ticket/shared/ticket.ts';
import type { Keyring } from './keyring.ts';
import { stateOf } from './schedule.ts';

/** Who signs once a key is revoked, as far as the rows tell; `new`: nobody there can. */
export type Heir = Exclude<Successor, { kind: 'made' }> | { readonly kind: 'new' };

/** Chooses the heir of a key. A retiring or retired key never signs again. `now` in ms. */
function heirOf(target: SigningKeyRow, rows: readonly SigningKeyRow[], now: number): Heir {
  const inState = (state: string) =>
    rows.find((row) => row.kid !== target.kid && stateOf(row, now) === state);
  switch (stateOf(target, now)) {
    case 'active': {
      const pending = inState('pending');
      return pending === undefined ? { kind: 'new' } : { kind: 'activated', kid: pending.kid };
    }
    case 'pending': {
      const active = inState('active');
      return active === undefined ? { kind: 'new' } : { kind: 'kept', kid: active.kid };
    }
    default:
      return { kind: 'same' };
  }
}

/** What one revocation writes beside the keys themselves. */
export type RevocationTrace = Pick<KeyRevocation, 'event' | 'sockets'>;

export interface RevocationPorts {
  readonly keyring: Keyring;
  /** One batch, all or nothing; `false` when the keys have changed since they were read. */
  readonly write: (revocation: KeyRevocation) => Promise<boolean>;
}

/** Each lost try means that another change went through, and at most two others can be on the way. */
const TRIES = 5;

/**
 * Takes a key out of the set and out of signing in one step. Does NOT reach verifiers: they forget it when their
 * copy of the set grows old, and the command written with it closes its sockets before that. `now` in ms.
 */
export async function revoke(
  { keyring, write }: RevocationPorts,
  kid: string,
  now: number,
  traceOf: (target: SigningKeyRow, heir: Heir) => RevocationTrace,
): Promise<Outcome<{ readonly row: SigningKeyRow; readonly trace: RevocationTrace }>> {
  for (let tries = 0; tries < TRIES; tries += 1) {
    const rows = await keyring.rows(now);
    const row = rows.find((each) => each.kid === kid);
    if (row === undefined) return err('key_unknown');
    if (row.revokedAt !== null) return err('key_already_revoked');
    keyring.forget();
    // Only a key that opens can follow: a row that somebody wrote signs nothing.
    const usable = (await keyring.current(now)).map((key) => key.row);
    const heir = heirOf(row, usable, now);
    const trace = traceOf(row, heir);
    const successor = heir.kind === 'new' ? await successorOf(keyring, row, rows, now) : heir;
    const written = await write({ kid, at: now, successor, ...trace });
    keyring.forget();
    if (written) return ok({ row: { ...row, revokedAt: now }, trace });
  }
  return err('rotation_pending');
}

async function successorOf(
  keyring: Keyring,
  { alg }: SigningKeyRow,
  rows: readonly SigningKeyRow[],
  now: number,
): Promise<Successor> {
  const generation = Math.max(...rows.map((row) => row.generation)) + 1;
  return { kind: 'made', key: await keyring.make(generation, TicketAlgorithm.parse(alg), now, now) };
}
