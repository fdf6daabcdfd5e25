import { isOutage } from '@agent-ticket/drizzle/outage.ts';
import type { CheckpointRow } from '@agent-ticket/drizzle/record/audit-checkpoints.ts';
import { purgeAudit } from '../audit/retention.ts';
import { sealAudit } from '../audit/sealer.ts';
import { maintainKeys } from '../keys/maintenance.ts';
import { flushOutbox, reconcileSessions } from '../revocation/termination.ts';
import { forgetExpired } from './forget-expired.ts';
import type { BrokerPorts } from './ports.ts';
import { purgeSessions } from './session-retention.ts';

/**
 * What the broker does each minute, on Workers by a cron trigger, on Node by a timer: commands that could not be
 * carried out at once, sessions that ended unheard, keys, the audit log, what has expired. Safe to run on any number of
 * instances at once; what fails is tried again with the next run and keeps nothing else from running.
 */
export async function runScheduled(ports: BrokerPorts): Promise<void> {
  const now = ports.clock();
  let checkpoint: CheckpointRow | undefined;
  await step('outbox', ports, () => flushOutbox(ports.termination));
  await step('reconcile', ports, () => reconcileSessions(ports.termination));
  await step('keys', ports, () => maintainKeys(ports, now));
  await step('checkpoint', ports, async () => {
    checkpoint = await sealAudit(ports, now);
  });
  await step('anchor', ports, async () => {
    if (checkpoint !== undefined) await ports.anchor(checkpoint);
  });
  await step('retention', ports, () => purgeAudit(ports, now));
  await step('sessions', ports, () => purgeSessions(ports, now));
  await step('expired', ports, () => forgetExpired(ports));
}

async function step(name: string, ports: BrokerPorts, work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    const kind = error instanceof Error ? error.name : typeof error;
    ports.log({ event: 'scheduled_failed', step: name, outage: isOutage(error), error: kind });
  }
}
