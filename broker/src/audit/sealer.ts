import type { CheckpointRow, checkpointQueries } from '@agent-ticket/drizzle/record/audit-checkpoints.ts';
import type { auditLogQueries } from '@agent-ticket/drizzle/record/audit-log.ts';
import type { Keyring } from '../keys/keyring.ts';
import { CHAIN_START, chainOn } from './chain.ts';
import { signCheckpoint } from './checkpoint.ts';
import { auditEventView } from './view.ts';

export interface SealerPorts {
  readonly issuer: string;
  readonly auditKeyring: Keyring;
  readonly auditLog: ReturnType<typeof auditLogQueries>;
  readonly checkpoints: ReturnType<typeof checkpointQueries>;
  readonly log: (event: Readonly<Record<string, unknown>>) => void;
}

/** A trigger may come a little early or twice; this much after a checkpoint the next one is due. In ms. */
const LEAST_PAUSE_MS = 30_000;
const PAGE = 500;
/** A backlog of an outage is sealed over several checkpoints, so that one run fits into one invocation. */
const MAX_EVENTS = 10_000;

/**
 * Writes the checkpoint of this minute, also when nothing is new: whoever holds it knows that there was nothing.
 * Any number of instances may run it at once; the number of the checkpoint is taken once. Answers what this call
 * wrote. `now` in ms.
 */
export async function sealAudit(ports: SealerPorts, now: number): Promise<CheckpointRow | undefined> {
  const before = await ports.checkpoints.newest();
  if (before !== undefined && now - before.at < LEAST_PAUSE_MS) return undefined;
  const signer = await ports.auditKeyring.signer(now);
  if (!signer.ok) {
    ports.log({ event: 'checkpoint_failed', reason: signer.denial.reason, detail: signer.denial.detail });
    return undefined;
  }
  const { kid } = signer.value.material;
  const previous = before?.hash ?? CHAIN_START;
  const run = await readRun(ports, before?.through ?? 0, previous);
  const facts = { n: (before?.n ?? 0) + 1, ...run };
  const claims = { iss: ports.issuer, iat: Math.floor(now / 1000), ...facts, previous };
  const jws = await signCheckpoint(claims, signer.value.material);
  const row: CheckpointRow = { ...facts, at: now, kid, jws };
  return (await ports.checkpoints.insert(row)) ? row : undefined;
}

/** Chains what arrived after an event, page by page. */
async function readRun({ auditLog }: SealerPorts, after: number, head: string) {
  let [through, count, hash] = [after, 0, head];
  for (;;) {
    const rows = await auditLog.arrivals(through, PAGE);
    for (const row of rows) {
      hash = await chainOn(hash, auditEventView(row));
      through = row.seq;
      count += 1;
    }
    if (rows.length < PAGE || count >= MAX_EVENTS) return { through, count, hash };
  }
}
