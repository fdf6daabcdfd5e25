import { STATEMENT_DEADLINE_MS, within } from '@agent-ticket/drizzle/deadline.ts';
import { isOutage } from '@agent-ticket/drizzle/outage.ts';
import { err, ok } from '@agent-ticket/shared/outcome.ts';
import { renderErrorWith } from '../http/answer.ts';
import type { Handler, HandlerResult } from '../http/call.ts';
import type { BrokerPorts } from '../runtime/ports.ts';

/** `GET /healthz`: the process answers. Asks nothing of anybody, so that a restart is never the cure for a database. */
export const liveness = (): Handler => async () => ({
  outcome: ok({ status: 200, body: { status: 'ok' } }),
});

/**
 * `GET /readyz`: a ticket could be minted now. Also a refusal says what waits for the record database: that is when it
 * grows.
 */
export const readiness =
  (ports: BrokerPorts): Handler =>
  ({ now }) =>
    answerNow(ports, now);

type Look<T> = (ports: BrokerPorts, now: number) => Promise<T>;

/**
 * One look serves everybody for so long, after the first of this isolate: anybody may ask, and each look asks databases
 * and ledger objects.
 */
function cached<T>(everyMs: number, look: Look<T>): Look<T> {
  const looks = new WeakMap<BrokerPorts, { at: number; readonly seen: T }>();
  return async (ports, now) => {
    const last = looks.get(ports);
    if (last !== undefined && now >= last.at && now - last.at < everyMs) return last.seen;
    // Who comes while this one looks gets what was seen before: no crowd asks a database that is slow.
    if (last !== undefined) last.at = now;
    try {
      const seen = await look(ports, now);
      looks.set(ports, { at: now, seen });
      return seen;
    } catch (error) {
      // Whoever asks next must not be told of before.
      looks.delete(ports);
      throw error;
    }
  };
}

const ANSWER_MS = 1_000;
const BACKLOG_MS = 5_000;

/**
 * Not limited by address: those who probe share addresses, and a broker that answers one of them 429 would be taken for
 * one that is not ready.
 */
const answerNow = cached(ANSWER_MS, async (ports, now): Promise<HandlerResult> => {
  try {
    await within(STATEMENT_DEADLINE_MS, ports.pingDatabases());
    const signer = await ports.keyring.signer(now);
    // A text of ours without data: whoever runs the broker must see here what to mend.
    if (!signer.ok)
      return { outcome: err('signing_key_missing', { hint: signer.denial.detail ?? 'no key' }) };
    const [events, work] = await Promise.all([lookAtEvents(ports, now), lookAtWork(ports, now)]);
    return { outcome: ok({ status: 200, body: { status: 'ready', ...events, ...work } }) };
  } catch (error) {
    if (!isOutage(error)) throw error;
    const events = await eventsIfKnown(ports, now);
    return {
      outcome: err('database_unavailable', { retryAfter: 5 }),
      renderError: (denial, requestId, rate) => renderErrorWith(events, denial, requestId, rate),
    };
  }
});

/** Events on their way to the record database. Asks no database. */
const lookAtEvents = cached(BACKLOG_MS, async ({ ledger }, now) => {
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
const lookAtWork = cached(BACKLOG_MS, async ({ termination, changeEvents, checkpoints }, now) => {
  const [commands, events, checkpoint] = await Promise.all([
    termination.outbox.count(),
    changeEvents.count(),
    checkpoints.newest(),
  ]);
  return {
    commands_waiting: commands,
    change_events_waiting: events,
    checkpoint_age: ageOf(checkpoint?.at, now),
  };
});

/** In seconds; clocks may differ. */
const ageOf = (at: number | undefined, now: number): number | null =>
  at === undefined ? null : Math.max(0, Math.floor((now - at) / 1000));
