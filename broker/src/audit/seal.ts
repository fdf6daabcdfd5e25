import type { Seal } from '@agent-ticket/drizzle/control/audit-seal.ts';
import type { ControlStore } from '@agent-ticket/drizzle/control/store.ts';
import type { CheckpointRow } from '@agent-ticket/drizzle/record/audit-checkpoints.ts';
import type { RecordStore } from '@agent-ticket/drizzle/record/store.ts';
import type { Keyring } from '../keys/keyring.ts';
import { CHAIN_START } from './chain.ts';
import { readCheckpoint } from './checkpoint.ts';

export interface SealPorts {
  readonly config: { readonly issuer: string };
  readonly control: Pick<ControlStore, 'auditSeal'>;
  readonly record: Pick<RecordStore, 'checkpoints'>;
  readonly auditKeyring: Pick<Keyring, 'current'>;
}

/** How the checkpoints of the record database differ from the seal that the control database has noted. */
export type SealFault =
  /** The log ends before the noted checkpoint: the record database was restored, or its end was cut off. */
  | 'ends_earlier'
  /** Another checkpoint, or none, has the number of the noted one. */
  | 'rewritten'
  /** A later checkpoint does not follow from the noted one, or no audit key of this broker signed it. */
  | 'does_not_follow';

export interface SealState {
  /** `undefined` before the first checkpoint, and before the first of a broker that notes seals. */
  readonly noted: Seal | undefined;
  /** The newest checkpoint of the record database. */
  readonly newest: CheckpointRow | undefined;
  /** The newest checkpoint that follows from the noted seal. Is `newest`, unless very many follow. */
  readonly reached: CheckpointRow | undefined;
  readonly fault: SealFault | undefined;
}

/** Checkpoints that are verified at once. Only a broker from before the seal was noted leaves more than one or two. */
const PAGE = 100;

/** The end of a log without a checkpoint. */
export const NO_SEAL: Seal = { n: 0, through: 0, hash: CHAIN_START };

/**
 * Compares the checkpoints of the record database with the noted seal. A crash between a checkpoint and its note, and
 * another sealer in the middle, leave checkpoints after the noted one: those must be signed by this broker and follow
 * from it. Does NOT compare events with checkpoints, which `audit verify` does. `now` in ms.
 */
export async function compareSeal(ports: SealPorts, now: number): Promise<SealState> {
  const { checkpoints } = ports.record;
  // In this order: a checkpoint that is written meanwhile is newer than the seal, never the seal newer than the log.
  const noted = await ports.control.auditSeal.read();
  const newest = await checkpoints.newest();
  if (noted === undefined) return { noted, newest, reached: newest, fault: undefined };
  const state = (reached: CheckpointRow | undefined, fault?: SealFault): SealState => ({
    ...{ noted, newest, reached, fault },
  });
  if (newest === undefined || newest.n < noted.n)
    return noted.n === 0 ? state(undefined) : state(undefined, 'ends_earlier');
  const own = newest.n === noted.n ? newest : noted.n === 0 ? NO_SEAL : await checkpoints.find(noted.n);
  if (own?.hash !== noted.hash) return state(undefined, 'rewritten');
  if (newest.n === noted.n) return state(newest);
  return follow(noted, newest, ports, now);
}

/** Verifies the checkpoints after the noted one, up to a page of them. */
async function follow(
  noted: Seal,
  newest: CheckpointRow,
  { config, record, auditKeyring }: SealPorts,
  now: number,
): Promise<SealState> {
  const held = await auditKeyring.current(now);
  const keys = new Map(
    held.map(({ material }) => [material.kid, { alg: material.alg, key: material.publicKey }] as const),
  );
  let before = noted;
  let reached: CheckpointRow | undefined;
  for (const row of await record.checkpoints.following(noted.n, PAGE)) {
    const claims = await readCheckpoint(row.jws, keys);
    const follows =
      claims?.iss === config.issuer &&
      claims.n === before.n + 1 &&
      claims.previous === before.hash &&
      (['n', 'through', 'count', 'hash'] as const).every((name) => claims[name] === row[name]);
    if (!follows) return { noted, newest, reached: undefined, fault: 'does_not_follow' };
    before = row;
    reached = row;
  }
  return { noted, newest, reached, fault: undefined };
}
