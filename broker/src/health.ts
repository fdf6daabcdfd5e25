import { STATEMENT_DEADLINE_MS, within } from '@agent-ticket/drizzle/deadline.ts';
import { isOutage } from '@agent-ticket/drizzle/outage.ts';
import { allow, deny, type Outcome } from '@agent-ticket/shared/outcome.ts';
import type { Answer, Handler } from './http/call.ts';
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

/**
 * For so long one answer serves everybody. Not a limit by address: those who probe share addresses, and a broker that
 * answers one of them 429 would be taken for one that is not ready.
 */
const ANSWER_MS = 1_000;
const answers = new WeakMap<BrokerPorts, { at: number; readonly outcome: Outcome<Answer> }>();

/** `GET /readyz`: a ticket could be minted now. */
export const readiness =
  (ports: BrokerPorts): Handler =>
  async ({ now }) => {
    const last = answers.get(ports);
    if (last !== undefined && now >= last.at && now - last.at < ANSWER_MS) return { outcome: last.outcome };
    // Who comes while this one asks gets the answer before it: no crowd asks a database that is slow.
    if (last !== undefined) last.at = now;
    try {
      const outcome = await lookAround(ports, now);
      answers.set(ports, { at: now, outcome });
      return { outcome };
    } catch (error) {
      // Whoever asks next must not be told of before.
      answers.delete(ports);
      throw error;
    }
  };

async function lookAround(ports: BrokerPorts, now: number): Promise<Outcome<Answer>> {
  try {
    await within(STATEMENT_DEADLINE_MS, ports.pingDatabases());
    const signer = await ports.keyring.signer(now);
    // A text of ours without data: whoever runs the broker must see here what to mend.
    if (!signer.ok) return deny('signing_key_missing', { hint: signer.denial.inside ?? 'no key' });
    return allow({ status: 200, body: { status: 'ready', ...(await lookAtBacklog(ports, now)) } });
  } catch (error) {
    if (isOutage(error)) return deny('database_unavailable', { retryAfter: 5 });
    throw error;
  }
}

/** What waits to be done, and how old the last checkpoint is; growing numbers say what does not run. */
async function backlog(ports: BrokerPorts, now: number) {
  const [events, commands, changeEvents, checkpoint] = await Promise.all([
    ports.ledger.waiting?.() ?? 0,
    ports.termination.outbox.count(),
    ports.changeEvents.waiting(),
    ports.checkpoints.newest(),
  ]);
  return {
    events_waiting: events,
    commands_waiting: commands,
    change_events_waiting: changeEvents.length,
    checkpoint_age: checkpoint === undefined ? null : Math.floor((now - checkpoint.at) / 1000),
  };
}
