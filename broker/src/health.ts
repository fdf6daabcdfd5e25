import { isOutage } from '@agent-ticket/drizzle/outage.ts';
import { allow, deny } from '@agent-ticket/shared/outcome.ts';
import { refuse } from './http/answer.ts';
import type { Handler } from './http/call.ts';
import type { BrokerPorts } from './ports.ts';

/** `GET /healthz`: the process answers. Asks nothing of anybody, so that a restart is never the cure for a database. */
export const liveness = (): Handler => async () => ({
  outcome: allow({ status: 200, body: { status: 'ok' } }),
});

/**
 * `GET /readyz`: a ticket could be minted now. Also a refusal says what waits for the record database: that is when it
 * grows.
 */
export const readiness =
  (ports: BrokerPorts): Handler =>
  async ({ now }) => {
    try {
      await ports.pingDatabases();
      const signer = await ports.keyring.signer(now);
      // A text of ours without data: whoever runs the broker must see here what to mend.
      if (!signer.ok)
        return { outcome: deny('signing_key_missing', { hint: signer.denial.inside ?? 'no key' }) };
      const [events, work] = await Promise.all([lookAtEvents(ports, now), lookAtWork(ports, now)]);
      return { outcome: allow({ status: 200, body: { status: 'ready', ...events, ...work } }) };
    } catch (error) {
      if (!isOutage(error)) throw error;
      const events = await eventsIfKnown(ports, now);
      return {
        outcome: deny('database_unavailable', { retryAfter: 5 }),
        refuse: (denial, requestId, rate) => refuse(denial, requestId, rate, events),
      };
    }
  };

type Look<T> = (ports: BrokerPorts, now: number) => Promise<T>;

/** For so long one look serves everybody: anybody may ask, and a look asks each ledger object. */
const LOOK_MS = 5_000;

function nowAndThen<T>(look: Look<T>): Look<T> {
  const looks = new WeakMap<BrokerPorts, { readonly at: number; readonly seen: T }>();
  return async (ports, now) => {
    const last = looks.get(ports);
    if (last !== undefined && now >= last.at && now - last.at < LOOK_MS) return last.seen;
    const seen = await look(ports, now);
    looks.set(ports, { at: now, seen });
    return seen;
  };
}

/** Events on their way to the record database. Asks no database. */
const lookAtEvents = nowAndThen(async ({ ledger }, now) => {
  const waiting = await ledger.waiting?.();
  return {
    events_waiting: waiting?.events ?? 0,
    // Where no ledger object is there to hear them, agents' objects tell only their log.
    agent_events_waiting: waiting?.agents.events ?? null,
    agent_objects_waiting: waiting?.agents.objects ?? null,
    waiting_age: ageOf(waiting?.since, now),
  };
});

async function eventsIfKnown(ports: BrokerPorts, now: number): Promise<object> {
  try {
    return await lookAtEvents(ports, now);
  } catch (error) {
    if (isOutage(error)) return {};
    throw error;
  }
}

/** What else waits to be done, and how old the last checkpoint is; growing numbers say what does not run. */
const lookAtWork = nowAndThen(async ({ termination, keyEvents, checkpoints }, now) => {
  const [commands, events, checkpoint] = await Promise.all([
    termination.outbox.count(),
    keyEvents.waiting(),
    checkpoints.newest(),
  ]);
  return {
    commands_waiting: commands,
    key_events_waiting: events.length,
    checkpoint_age: ageOf(checkpoint?.at, now),
  };
});

/** In seconds; clocks may differ. */
const ageOf = (at: number | undefined, now: number): number | null =>
  at === undefined ? null : Math.max(0, Math.floor((now - at) / 1000));
