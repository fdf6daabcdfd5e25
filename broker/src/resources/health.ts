import { STATEMENT_DEADLINE_MS, within } from '@agent-ticket/drizzle/deadline.ts';
import { isOutage } from '@agent-ticket/drizzle/outage.ts';
import { err, ok } from '@agent-ticket/shared/outcome.ts';
import { renderErrorWith } from '../http/answer.ts';
import type { Handler, HandlerResult } from '../runtime/call.ts';
import type { BrokerPorts } from '../runtime/ports.ts';

/** `GET /healthz`: the process answers. Asks nothing of anybody, so that a restart is never the cure for a database. */
export const liveness: Handler = async () => ok({ status: 200, body: { status: 'ok' } });

/**
 * `GET /readyz`: a ticket could be minted now. Also a refusal says what waits for the record database: that is when it
 * grows.
 */
export const readiness: Handler = ({ ports, now }) => answerNow(ports, now);

type Measure<T> = (ports: BrokerPorts, now: number) => Promise<T>;

/**
 * One measurement serves every request for so long, after the first of this isolate: anybody may ask, and each
 * measurement asks databases and mint shards.
 */
function cached<T>(everyMs: number, measure: Measure<T>): Measure<T> {
  const held = new WeakMap<BrokerPorts, { at: number; readonly value: T }>();
  return async (ports, now) => {
    const last = held.get(ports);
    if (last !== undefined && now >= last.at && now - last.at < everyMs) return last.value;
    // Requests that come during a measurement get the value before it: no crowd asks a database that is slow.
    if (last !== undefined) last.at = now;
    try {
      const value = await measure(ports, now);
      held.set(ports, { at: now, value });
      return value;
    } catch (error) {
      // The value before the failure is no answer to the next request.
      held.delete(ports);
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
    // A text of ours without data: an operator must see here what to mend.
    if (!signer.ok)
      return { outcome: err('signing_key_missing', { hint: signer.denial.detail ?? 'no key' }) };
    const [events, work] = await Promise.all([waitingEvents(ports, now), waitingWork(ports, now)]);
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
const waitingEvents = cached(BACKLOG_MS, async ({ shard }, now) => {
  const waiting = await shard.waiting?.();
  return {
    events_waiting: waiting?.events ?? 0,
    // Where no mint shard receives their reports, agents' objects write to their log alone.
    agent_events_waiting: waiting?.agents.events ?? null,
    agent_objects_waiting: waiting?.agents.objects ?? null,
    waiting_age: ageOf(waiting?.since, now),
  };
});

async function eventsIfKnown(ports: BrokerPorts, now: number): Promise<object> {
  try {
    return await waitingEvents(ports, now);
  } catch (error) {
    if (isOutage(error)) return {};
    throw error;
  }
}

/** Changes that wait for delivery, and the age of the last checkpoint; growing numbers name the part that does not run. */
const waitingWork = cached(BACKLOG_MS, async ({ control, record }, now) => {
  const [changes, checkpoint] = await Promise.all([control.outbox.count(), record.checkpoints.newest()]);
  return { changes_waiting: changes, checkpoint_age: ageOf(checkpoint?.at, now) };
});

/** In seconds; clocks may differ. */
const ageOf = (at: number | undefined, now: number): number | null =>
  at === undefined ? null : Math.max(0, Math.floor((now - at) / 1000));
