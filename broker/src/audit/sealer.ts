import type { CheckpointRow } from '@agent-ticket/drizzle/record/audit-checkpoints.ts';
import type { RecordStore } from '@agent-ticket/drizzle/record/store.ts';
import type { Keyring } from '../keys/keyring.ts';
import { yieldTurn } from '../runtime/yield-turn.ts';
import { CHAIN_START, chainOn } from './chain.ts';
import { signCheckpoint } from './checkpoint.ts';
import { compareSeal, type SealPorts } from './seal.ts';
import { auditEventView } from './view.ts';

interface SealerPorts extends SealPorts {
  readonly auditKeyring: Pick<Keyring, 'signer' | 'current'>;
  readonly record: Pick<RecordStore, 'auditLog' | 'checkpoints'>;
  readonly log: (event: Readonly<Record<string, unknown>>) => void;
}

/** A trigger may come a little early or twice; this much after a checkpoint the next one is due. In ms. */
const LEAST_PAUSE_MS = 30_000;
/** Events that are read and chained in one turn of the loop: some milliseconds. */
const PAGE = 250;
/** A backlog is sealed over several checkpoints, so that one that another instance takes away costs little work. */
const MAX_EVENTS = 10_000;

/** Whether events may wait behind a checkpoint: it covers as many as one may. */
export const isFull = ({ count }: Pick<CheckpointRow, 'count'>): boolean => count >= MAX_EVENTS;

/**
 * Writes the next checkpoint when it is due: half a minute after the one before, also when nothing is new, which proves
 * that nothing happened; at once while events wait behind a full one. A clock that was put back delays nothing: the next
 * checkpoint is due, and has the time of the one before, so that times grow with numbers. Any number of instances may run
 * it at once; the number of the checkpoint is taken once. Each is noted in the control database after it was written;
 * where the log differs from what is noted there, nothing is sealed until an operator accepts it. Answers the checkpoint
 * that this call wrote; a fault that prevents one is logged. `now` in ms.
 */
export async function sealAudit(ports: SealerPorts, now: number): Promise<CheckpointRow | undefined> {
  const { checkpoints } = ports.record;
  const before = await comparedEnd(ports, now);
  if (before === 'differs') return undefined;
  const isDue = before === undefined || Math.abs(now - before.at) >= LEAST_PAUSE_MS;
  if (!isDue && !isFull(before)) return undefined;
  const signer = await ports.auditKeyring.signer(now);
  if (!signer.ok) return failed(signer.denial.reason, signer.denial.detail, ports);
  const { kid } = signer.value.material;
  const previous = before?.hash ?? CHAIN_START;
  const run = await readRun(ports, before?.through ?? 0, previous);
  // No checkpoint at all until an operator acts: one that ends before the event would hide that the log goes on.
  if ('unsealable' in run) return failed('event_not_canonical', `event ${run.unsealable}`, ports);
  if (!isDue && run.count === 0) return undefined;
  const at = Math.max(now, before?.at ?? now);
  const facts = { n: (before?.n ?? 0) + 1, ...run };
  const claims = { iss: ports.config.issuer, iat: Math.floor(at / 1000), ...facts, previous };
  const jws = await signCheckpoint(claims, signer.value.material);
  const row: CheckpointRow = { ...facts, at, kid, jws };
  if (!(await checkpoints.insert(row))) return undefined;
  await ports.control.auditSeal.note(row);
  return row;
}

/** The newest checkpoint, noted by now; or that the log differs from what was noted, which is logged. */
async function comparedEnd(ports: SealerPorts, now: number): Promise<CheckpointRow | undefined | 'differs'> {
  for (;;) {
    const { noted, newest, reached, fault } = await compareSeal(ports, now);
    if (fault !== undefined) {
      const found = { n: newest?.n ?? 0, hash: newest?.hash ?? CHAIN_START };
      ports.log({ event: 'audit_seal_differs', fault, noted: { n: noted?.n, hash: noted?.hash }, found });
      return 'differs';
    }
    if (reached !== undefined && reached.n !== noted?.n) await ports.control.auditSeal.note(reached);
    if (reached?.n === newest?.n) return newest;
    await yieldTurn();
  }
}

function failed(reason: string, detail: string | undefined, { log }: SealerPorts): undefined {
  log({ event: 'checkpoint_failed', reason, detail });
}

/** Chains the events that arrived after one, page by page; or the number of the first that has no canonical form. */
async function readRun(
  { record }: SealerPorts,
  after: number,
  head: string,
): Promise<Pick<CheckpointRow, 'through' | 'count' | 'hash'> | { readonly unsealable: number }> {
  let [through, count, hash] = [after, 0, head];
  for (;;) {
    const rows = await record.auditLog.arrivals(through, PAGE);
    for (const row of rows) {
      const next = chainOn(hash, auditEventView(row));
      if (next === undefined) return { unsealable: row.seq };
      hash = next;
      through = row.seq;
      count += 1;
    }
    if (rows.length < PAGE || count >= MAX_EVENTS) return { through, count, hash };
    await yieldTurn();
  }
}
