import { isOutage } from '@agent-ticket/drizzle/outage.ts';
import type { CheckpointRow } from '@agent-ticket/drizzle/record/audit-checkpoints.ts';
import { reconciledEnd } from '@agent-ticket/drizzle/record/deliver.ts';
import type { AuditEvent } from '@agent-ticket/shared/audit-event.ts';
import { describeError } from '@agent-ticket/shared/describe-error.ts';
import { SESSION_ABSOLUTE_SECONDS } from '@agent-ticket/shared/limits.ts';
import { rolloutGrant, rolloutOf } from '@agent-ticket/shared/registry.ts';
import { REVOCATION_KEPT_MS } from '@agent-ticket/shared/revocation.ts';
import { archiveAudit } from '../audit/archive.ts';
import { ArchiveFault } from '../audit/archive-store.ts';
import { purgeAudit, purgeSegment } from '../audit/retention.ts';
import { compareSeal } from '../audit/seal.ts';
import { isFull, sealAudit } from '../audit/sealer.ts';
import { INSTANCE_WINDOW_MS, RATE_WINDOW_MS } from '../http/rate.ts';
import { maintainKeys } from '../keys/maintenance.ts';
import { measureGauges } from '../resources/metrics.ts';
import { changePolicy, newRevocation } from '../revocation/changes.ts';
import { copyMissing, flushOutbox, keepNumbersAhead, restoreCopies } from '../revocation/outbox.ts';
import { compareRegistries, reconcileSessions } from '../revocation/send-command.ts';
import { deliverEvents } from '../webhooks/deliver.ts';
import type { BrokerPorts } from './ports.ts';
import { yieldTurn } from './yield-turn.ts';

/**
 * The tasks of each minute, on Workers by a cron trigger, on Node by a timer: deliver changes of the outbox, correct
 * sessions whose end was not reported, compare registries, rotate keys, seal the audit log, delete expired rows, send
 * events to webhooks. Any number of instances may run them concurrently. A step that fails runs again the next minute and
 * does not prevent the other steps.
 */
export async function runScheduled(ports: BrokerPorts): Promise<void> {
  const now = ports.clock();
  let checkpoint: CheckpointRow | undefined;
  await step('numbers', ports, () => keepNumbersAhead(ports));
  // Before the outbox, which delivers the event of a key that this step makes.
  await step('keys', ports, () => maintainKeys(ports, now));
  await step('outbox', ports, () => flushOutbox(ports));
  await step('reconcile', ports, () => reconcileSessions(ports));
  await step('former workers', ports, () => endSessionsOfFormerWorkers(ports, now));
  await step('rollouts', ports, () => endRollouts(ports, now));
  await step('registries', ports, () => compareRegistries(ports));
  await step('copies', ports, async () => {
    // Where the log ends earlier, copies from before the backup may last that were lifted since.
    if ((await compareSeal(ports, now)).fault === 'ends_earlier') await restoreCopies(ports);
    else await copyMissing(ports);
  });
  await step('checkpoint', ports, () =>
    whileMore(ports, async () => {
      const sealed = await sealAudit(ports, ports.clock());
      checkpoint = sealed ?? checkpoint;
      return sealed !== undefined && isFull(sealed);
    }),
  );
  await step('anchor', ports, async () => {
    if (checkpoint !== undefined) await ports.anchor(checkpoint);
  });
  await step('retention', ports, () => whileMore(ports, async () => (await purgeAudit(ports, now)) > 0));
  await step('sessions', ports, () => whileMore(ports, async () => (await purgeSessions(ports, now)) > 0));
  await step('expired', ports, () => purgeExpired(ports));
  await step('metrics', ports, () => measureGauges(ports, now));
  // The last step, since it waits for receivers.
  await step('webhooks', ports, () => deliverEvents(ports));
}

/**
 * The tasks of each minute that wait for the archive: move older events there, delete segments past their retention. They
 * run beside {@link runScheduled}: an archive that is slow or away must not delay changes, which close sessions.
 */
export async function runArchive(ports: BrokerPorts): Promise<void> {
  const now = ports.clock();
  let moved = 0;
  await step('archive', ports, () =>
    whileMore(ports, async () => {
      moved += (await archiveAudit(ports, now)) ? 1 : MAX_SEGMENTS;
      return moved < MAX_SEGMENTS;
    }),
  );
  await step('archive retention', ports, () => whileMore(ports, () => purgeSegment(ports, now)));
}

/**
 * A task of one minute may go on for so long while there is more to do, in ms: what arrives in a minute must be done in
 * less than one. On Workers a run by cron has 30 s of CPU.
 */
const TASK_MS = 25_000;

/** The most segments that one run moves: a run on Workers has 1,000 queries of D1, and each takes some 60. */
const MAX_SEGMENTS = 5;

async function whileMore({ clock }: Pick<BrokerPorts, 'clock'>, work: () => Promise<boolean>): Promise<void> {
  const end = clock() + TASK_MS;
  while ((await work()) && clock() < end) await yieldTurn();
}

async function step(name: string, ports: BrokerPorts, work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    ports.log({
      event: 'scheduled_failed',
      step: name,
      outage: isOutage(error) || error instanceof ArchiveFault,
      error: describeError(error),
    });
  }
}

/** The most rows of one statement: each row costs a write, and one more for each index. */
const BATCH = 500;
/** The most rows of one run, so that a retention that was shortened by years delays no other task. */
const MAX_BATCHES = 20;

/**
 * Ends sessions of agent workers that are not configured any more, by that audience: nobody else compares them with their
 * objects, and a session without an end is never deleted. Only those that are over by their age. `now` in ms.
 */
async function endSessionsOfFormerWorkers({ config, record }: BrokerPorts, now: number): Promise<void> {
  const audiences = config.workers.map(({ audience }) => audience);
  const until = now - SESSION_ABSOLUTE_SECONDS * 1000;
  const rows = await record.sessions.listOpenElsewhere(audiences, until, BATCH);
  const ends = rows.map((row) => reconciledEnd(row, now, 'connection_lost'));
  if (ends.length > 0) await record.deliver(ends, now);
}

/** Well below the time for which a mark is kept. */
const ROLLOUT_MARKED_EVERY_MS = 30 * 60_000;

/**
 * Revokes the tickets and sessions of rollouts that are not in force any more. A registry says nothing of the one before
 * it, so that rollouts in force are marked in the control database. `now` in ms.
 */
async function endRollouts(ports: BrokerPorts, now: number): Promise<void> {
  const { revocations } = ports.control;
  const rollouts = ports.registry.map((entry) => {
    const target = { kind: 'grant', id: rolloutGrant(entry.slug) } as const;
    const reason = 'the rollout ended';
    const end = newRevocation({ target, kind: 'before', code: 'rights_changed', reason, by: 'broker', now });
    return {
      agent: entry.slug,
      isInForce: rolloutOf(entry, now) !== undefined,
      mark: `rollout ${entry.slug}`,
      end,
    };
  });
  const rows = await revocations.findAll(rollouts.flatMap(({ mark, end }) => [mark, end.id]));
  const timeOf = (id: string): number => rows.find((row) => row.id === id)?.createdAt ?? 0;
  for (const { agent, isInForce, mark, end } of rollouts) {
    const [marked, ended] = [timeOf(mark), timeOf(end.id)];
    if (isInForce) {
      const isMarked = marked > ended && marked > now - ROLLOUT_MARKED_EVERY_MS;
      if (!isMarked) await revocations.mark(mark, end.target, now);
    } else if (marked > ended) {
      const event: AuditEvent = {
        ...{ eventId: ports.randomId(), at: now, type: 'grant.deleted', outcome: 'success', agent },
        details: { grant: rolloutGrant(agent), reason: end.reason },
      };
      await changePolicy({ event, revocations: [end] }, ports);
    }
  }
}

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
    await yieldTurn();
    const gone = await purge(BATCH);
    total += gone;
    if (gone < BATCH) break;
  }
  return total;
}

/** Deletes expired rows. They have no effect any more, so correctness does not depend on when this runs. */
async function purgeExpired({ config, control, record, clock }: BrokerPorts): Promise<void> {
  const now = clock();
  await inBatches((limit) => control.grants.retire(now, limit));
  await inBatches((limit) => control.grants.purge(now - REVOCATION_KEPT_MS, limit));
  await inBatches((limit) => control.authSessions.purge(now, limit));
  await inBatches((limit) => control.usedTokens.purge(now, limit));
  await inBatches((limit) => control.principals.purge(now, limit));
  if (config.principalLabel === 'none') await inBatches((limit) => control.principals.forgetLabels(limit));
  await inBatches((limit) => control.revocations.purge(now - REVOCATION_KEPT_MS, limit));
  await inBatches((limit) => record.revocations.purge(now - REVOCATION_KEPT_MS, limit));
  await record.rates.purge(now - RATE_WINDOW_MS, now - INSTANCE_WINDOW_MS);
}
