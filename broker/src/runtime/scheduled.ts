import { isOutage } from '@agent-ticket/drizzle/outage.ts';
import type { CheckpointRow } from '@agent-ticket/drizzle/record/audit-checkpoints.ts';
import { describeError } from '@agent-ticket/shared/describe-error.ts';
import { REVOCATION_KEPT_MS } from '@agent-ticket/shared/revocation.ts';
import { purgeAudit } from '../audit/retention.ts';
import { sealAudit } from '../audit/sealer.ts';
import { RATE_WINDOW_MS } from '../http/rate.ts';
import { maintainKeys } from '../keys/maintenance.ts';
import { flushOutbox, keepNumbersAhead } from '../revocation/changes.ts';
import { reconcileSessions } from '../revocation/send-command.ts';
import type { BrokerPorts } from './ports.ts';

/**
 * What the broker does each minute, on Workers by a cron trigger, on Node by a timer: changes that could not be delivered
 * at once, sessions whose end nobody reported, keys, the audit log, what has expired. Safe to run on any number of
 * instances at once; a step that fails is tried again with the next run and keeps no other from running.
 */
export async function runScheduled(ports: BrokerPorts): Promise<void> {
  const now = ports.clock();
  let checkpoint: CheckpointRow | undefined;
  await step('numbers', ports, () => keepNumbersAhead(ports));
  // Before the outbox, which delivers the event of a key that this step makes.
  await step('keys', ports, () => maintainKeys(ports, now));
  await step('outbox', ports, () => flushOutbox(ports));
  await step('reconcile', ports, () => reconcileSessions(ports));
  await step('checkpoint', ports, async () => {
    checkpoint = await sealAudit(ports, now);
  });
  await step('anchor', ports, async () => {
    if (checkpoint !== undefined) await ports.anchor(checkpoint);
  });
  await step('retention', ports, () => purgeAudit(ports, now));
  await step('sessions', ports, () => purgeSessions(ports, now));
  await step('expired', ports, () => purgeExpired(ports));
}

async function step(name: string, ports: BrokerPorts, work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    ports.log({
      event: 'scheduled_failed',
      step: name,
      outage: isOutage(error),
      error: describeError(error),
    });
  }
}

/** One statement deletes so many: each costs a write for its row and one for each of its indexes. */
const BATCH = 500;
/** One run stops here and the next goes on, so that a shortened retention of years holds up no other work. */
const MAX_BATCHES = 20;

interface SessionRetentionPorts {
  readonly record: Pick<BrokerPorts['record'], 'sessions' | 'invocations'>;
  readonly config: Pick<BrokerPorts['config'], 'sessionRetentionMs' | 'invocationRetentionMs'>;
}

/**
 * Deletes rows past their retention: invocations, and sessions that have ended. Live sessions stay, however old. Any
 * number of instances may run it at once. `now` in ms; answers how many rows this call deleted.
 */
export async function purgeSessions({ record, config }: SessionRetentionPorts, now: number): Promise<number> {
  const invocations = await inBatches((limit) =>
    record.invocations.purge(now - config.invocationRetentionMs, limit),
  );
  const sessions = await inBatches((limit) => record.sessions.purge(now - config.sessionRetentionMs, limit));
  return invocations + sessions;
}

async function inBatches(purge: (limit: number) => Promise<number>): Promise<number> {
  let total = 0;
  for (let batch = 0; batch < MAX_BATCHES; batch += 1) {
    const gone = await purge(BATCH);
    total += gone;
    if (gone < BATCH) break;
  }
  return total;
}

/** Deletes rows that nothing can be about any more. Nothing depends on when it runs. */
async function purgeExpired({ control, record, clock }: BrokerPorts): Promise<void> {
  const now = clock();
  await control.authSessions.purge(now);
  await control.usedTokens.purge(now);
  await control.principals.purge(now);
  await control.revocations.purge(now - REVOCATION_KEPT_MS);
  await record.revocations.purge(now - REVOCATION_KEPT_MS);
  await record.rates.purge(now - RATE_WINDOW_MS);
}
