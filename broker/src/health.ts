import { isOutage } from '@agent-ticket/drizzle/outage.ts';
import { allow, deny } from '@agent-ticket/shared/outcome.ts';
import type { Handler } from './http/call.ts';
import type { BrokerPorts } from './ports.ts';

/** `GET /healthz`: the process answers. Asks nothing of anybody, so that a restart is never the cure for a database. */
export const liveness = (): Handler => async () => ({
  outcome: allow({ status: 200, body: { status: 'ok' } }),
});

/** `GET /readyz`: a ticket could be minted now. */
export const readiness =
  (ports: BrokerPorts): Handler =>
  async ({ now }) => {
    try {
      await ports.pingDatabases();
      const signer = await ports.keyring.signer(now);
      // A text of ours without data: whoever runs the broker must see here what to mend.
      if (!signer.ok)
        return { outcome: deny('signing_key_missing', { hint: signer.denial.inside ?? 'no key' }) };
      return { outcome: allow({ status: 200, body: { status: 'ready', ...(await backlog(ports, now)) } }) };
    } catch (error) {
      if (isOutage(error)) return { outcome: deny('database_unavailable', { retryAfter: 5 }) };
      throw error;
    }
  };

/** What waits to be done, and how old the last checkpoint is; growing numbers say what does not run. */
async function backlog(ports: BrokerPorts, now: number) {
  const [commands, keyEvents, checkpoint] = await Promise.all([
    ports.termination.outbox.count(),
    ports.keyEvents.waiting(),
    ports.checkpoints.newest(),
  ]);
  return {
    commands_waiting: commands,
    key_events_waiting: keyEvents.length,
    checkpoint_age: checkpoint === undefined ? null : Math.floor((now - checkpoint.at) / 1000),
  };
}
