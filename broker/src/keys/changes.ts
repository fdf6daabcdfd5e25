import type { Change } from '@agent-ticket/drizzle/control/change.ts';
import type { NewSigningKey, SigningKeyRow, Successor } from '@agent-ticket/drizzle/control/signing-keys.ts';
import type { Statement } from '@agent-ticket/drizzle/database.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { TicketAlgorithm } from '@agent-ticket/shared/ticket.ts';
import { iso } from '../http/iso.ts';
import type { Keyring } from './keyring.ts';
import { stateOf } from './schedule.ts';
import { type SealingKeys, type SealLabel, sealText, unsealWith } from './seal.ts';

/** The control database's part of a change of keys. Its maker adds the event, and the revocation of a key's tickets. */
type KeyChange = Pick<Change, 'before' | 'statement' | 'after'>;

/** Makes a change as one batch; `undefined` where it does not apply because the keys have changed meanwhile. */
type Make<Plan, Made> = (plan: Plan, change: KeyChange) => Promise<Made | undefined>;

interface Rotation {
  readonly row: SigningKeyRow;
  readonly previous: SigningKeyRow & { readonly retiresAt: number; readonly removedAt: number };
}

interface RotationOrder {
  /** In ms. */
  readonly now: number;
  /**
   * `scheduled`: the next key signs once every verifier has had time to learn it; `now`: at once, at the price that
   * verifiers without a binding may ask clients to retry.
   */
  readonly activate: 'scheduled' | 'now';
  /** Left out: that of the active key. */
  readonly alg?: TicketAlgorithm | undefined;
}

/** The audit log's words about a rotation. */
export const rotationDetails = ({ row, previous }: Rotation) => ({
  purpose: row.purpose,
  alg: row.alg,
  previous: previous.kid,
  activates_at: row.activatesAt,
});

const rowOf = (key: NewSigningKey): SigningKeyRow => ({
  ...key,
  retiresAt: null,
  removedAt: null,
  revokedAt: null,
});

const nextGeneration = (rows: readonly SigningKeyRow[]): number =>
  Math.max(...rows.map((row) => row.generation)) + 1;

/** What an operator may do who wants another key sooner. */
const pendingHint = ({ kid, activatesAt }: SigningKeyRow): string =>
  `key ${kid} is pending and signs from ${iso(activatesAt)}; it signs at once when the active key is revoked`;

const CHANGED = 'the keys were changed meanwhile: list them, and try again if that is still wanted';

/**
 * Makes the next key. Refuses while another rotation is pending, and where the active key does not open: a wrong
 * key-encryption key must not go unnoticed under a new key. Of two at once one makes a key.
 */
export async function rotate(
  keyring: Keyring,
  { now, activate, alg }: RotationOrder,
  make: Make<Rotation, unknown>,
): Promise<Outcome<Rotation>> {
  // Before the look for a pending key: one that is made after this has the generation, and one made before it is seen.
  const generation = nextGeneration(await keyring.rows(now));
  const signer = await keyring.newestSigner(now);
  if (!signer.ok) return signer;
  // Only keys that open count: a row that somebody wrote must not hold up rotations.
  const usable = await keyring.current(now);
  const pending = usable.find(({ row }) => stateOf(row, now) === 'pending');
  if (pending !== undefined) return err('rotation_pending', { hint: pendingHint(pending.row) });
  const { row: active, material } = signer.value;

  const { leadMs, lagMs } = keyring.schedule;
  const activatesAt = activate === 'now' ? now : now + leadMs;
  const end = { retiresAt: activatesAt, removedAt: activatesAt + lagMs };
  const key = await keyring.make(generation, alg ?? material.alg, now, activatesAt);
  const rotation = { row: rowOf(key), previous: { ...active, ...end } };
  const made = await make(rotation, keyring.keys.rotate(key, end));
  keyring.forget();
  return made === undefined ? err('rotation_pending', { hint: CHANGED }) : ok(rotation);
}

interface KeyRevocation {
  /** As it was. */
  readonly row: SigningKeyRow;
  readonly successor: Successor;
}

/** Each lost try means that another change went through, and at most two others can be on the way. */
const TRIES = 5;

/**
 * Takes a key out of the set and out of signing in one step. Does NOT notify verifiers: they forget it when their copy
 * of the set grows old, and the revocation of its tickets, which `make` adds, closes its sockets before that. `now` in
 * ms.
 */
export async function revoke<Made>(
  keyring: Keyring,
  { kid, now }: { readonly kid: string; readonly now: number },
  make: Make<KeyRevocation, Made>,
): Promise<Outcome<{ readonly row: SigningKeyRow; readonly made: Made }>> {
  for (let tries = 0; tries < TRIES; tries += 1) {
    const rows = await keyring.rows(now);
    const row = rows.find((each) => each.kid === kid);
    if (row === undefined) return err('key_unknown');
    if (row.revokedAt !== null)
      return err('key_already_revoked', { hint: `the key was revoked at ${iso(row.revokedAt)}` });
    const successor = await successorOf(row, rows, keyring, now);
    const made = await make({ row, successor }, keyring.keys.revoke(kid, successor, now));
    keyring.forget();
    if (made !== undefined) return ok({ row: { ...row, revokedAt: now }, made });
  }
  return err('rotation_pending', { hint: CHANGED });
}

/** The key that signs once another is gone. A retiring or retired key never signs again. */
async function successorOf(
  row: SigningKeyRow,
  rows: readonly SigningKeyRow[],
  keyring: Keyring,
  now: number,
): Promise<Successor> {
  const state = stateOf(row, now);
  if (state !== 'active' && state !== 'pending') return { kind: 'same' };
  keyring.forget();
  // Only a key that opens can follow: a row that somebody wrote signs nothing.
  const usable = await keyring.current(now);
  const inState = (wanted: string) =>
    usable.find((key) => key.row.kid !== row.kid && stateOf(key.row, now) === wanted)?.row;
  const other = inState(state === 'active' ? 'pending' : 'active');
  if (other !== undefined) return { kind: state === 'active' ? 'activated' : 'kept', kid: other.kid };
  const alg = TicketAlgorithm.parse(row.alg);
  return { kind: 'made', key: await keyring.make(nextGeneration(rows), alg, now, now) };
}

/** A sealed text of a row: a private key, or the secret of a webhook. */
export interface SealedText {
  readonly label: SealLabel;
  readonly sealed: string;
  /** Statement that replaces it, unless it has changed meanwhile. */
  readonly replace: (sealed: string) => Statement;
}

/** The sealed keys of one purpose. `now` in ms. */
export const sealedKeys = async ({ keys, rows }: Keyring, now: number): Promise<SealedText[]> =>
  (await rows(now))
    .filter(({ revokedAt }) => revokedAt === null)
    .map((row) => ({
      label: row,
      sealed: row.sealed,
      replace: (sealed) => keys.reseal(row.kid, row.sealed, sealed),
    }));

/** The result of sealing everything with the present key-encryption key. */
interface ResealReport {
  readonly resealed: number;
  /** Sealed with the present one already. */
  readonly current: number;
  /**
   * Names of the texts that neither key-encryption key opens. While there are any, the previous key may still be needed.
   */
  readonly unreadable: readonly string[];
}

/** A report, and the statements that make it true. */
interface ResealPlan extends ResealReport {
  readonly statements: readonly Statement[];
}

/** How texts are sealed anew. */
export async function reseal(
  texts: readonly SealedText[],
  keks: SealingKeys,
  randomBytes: (length: number) => Uint8Array<ArrayBuffer>,
): Promise<ResealPlan> {
  const statements: Statement[] = [];
  let current = 0;
  const unreadable: string[] = [];
  for (const { label, sealed, replace } of texts) {
    const opened = await unsealWith(keks, label, sealed);
    if (opened === undefined) unreadable.push(label.kid);
    else if (opened.by === 'current') current += 1;
    else statements.push(replace(await sealText(keks.current, label, opened.text, randomBytes)));
  }
  return { statements, resealed: statements.length, current, unreadable };
}
