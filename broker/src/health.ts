import { isOutage } from '@agent-ticket/drizzle/outage.ts';
import { allow, deny } from '@agent-ticket/shared/outcome.ts';
import type { Handler } from './http/call.ts';
import type { BrokerPorts } from './ports.ts';

/** `GET /healthz`: the process answers. Asks nothing of anybody, so that a restart is never the cure for a database. */
export const liveness = (): Handler => async () => ({
  outcome: allow({ status: 200, body: { status: 'ok' } }),
});

type Backlog = Awaited<ReturnType<typeof backlog>>;

/** For so long one look at the backlog serves everybody: anybody may ask, and a look asks each ledger object. */
const LOOK_MS = 5_000;
const looks = new WeakMap<BrokerPorts, { readonly at: number; readonly backlog: Backlog }>();

async function lookAtBacklog(ports: BrokerPorts, now: number): Promise<Backlog> {
  const last = looks.get(ports);
  if (last !== undefined && now >= last.at && now - last.at < LOOK_MS) return last.backlog;
  const look = { at: now, backlog: await backlog(ports, now) };
  looks.set(ports, look);
  return look.backlog;
}

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
      const body = { status: 'ready', ...(await lookAtBacklog(ports, now)) };
      return { outcome: allow({ status: 200, body }) };
    } catch (error) {
      if (isOutage(error)) return { outcome: deny('database_unavailable', { retryAfter: 5 }) };
      throw error;
    }
  };

/** What waits to be done, and how old the last checkpoint is; growing numbers say what does not run. */
async function backlog(ports: BrokerPorts, now: number) {
  const [events, commands, keyEvents, checkpoint] = await Promise.all([
    ports.ledger.waiting?.() ?? 0,
    ports.termination.outbox.count(),
    ports.keyEvents.waiting(),
    ports.checkpoints.newest(),
  ]);
  return {
    events_waiting: events,
    commands_waiting: commands,
    key_events_waiting: keyEvents.length,
    checkpoint_age: checkpoint === undefined ? null : Math.floor((now - checkpoint.at) / 1000),
  };
}
