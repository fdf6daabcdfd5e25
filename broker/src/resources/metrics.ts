import { CLOSES } from '@agent-ticket/shared/denial.ts';
import { type Labels, measureNothing, type Sample, type SeriesName } from '@agent-ticket/shared/metrics.ts';
import { err, ok } from '@agent-ticket/shared/outcome.ts';
import { REVOCATION_CODES } from '@agent-ticket/shared/revocation.ts';
import { renderError } from '../http/answer.ts';
import { stateOf } from '../keys/schedule.ts';
import type { Handler } from '../runtime/call.ts';
import type { BrokerPorts } from '../runtime/ports.ts';
import { ageOf, attempt, cached, known, waitingEvents, waitingWork } from './health.ts';

/** Scrapers ask each 15 s or less often; several scrapers share one reading. */
const GAUGES_MS = 10_000;
/** The most sessions of an agent that one reading counts. */
const MOST_SESSIONS = 100_000;

/** The most events that one reading counts; the next one goes on from there. */
const MOST_EVENTS = 100_000;
/** How a session may end; code of an agent may write any other text, of which each would be a series. */
const ENDS: ReadonlySet<string | null> = new Set([
  ...Object.keys(CLOSES),
  ...REVOCATION_CODES,
  ...['finished', 'client_closed', 'agent_failed', 'connection_lost', 'destroyed'],
]);
const OUTCOMES = { success: 'renewed', denied: 'refused' } as const;

/** The last event that was counted, of each broker in this process. */
const countedThrough = new WeakMap<BrokerPorts['control'], number>();

/**
 * Counts what sessions did since the last reading: agent workers have no `/metrics`, and their events are in the audit log.
 * The first reading counts nothing. Every broker of a deployment counts all events.
 */
async function countSessionEvents({ control, record, registry, measure }: BrokerPorts): Promise<void> {
  const newest = (await record.auditLog.bounds())?.last ?? 0;
  const after = countedThrough.get(control) ?? newest;
  // After a restore of the record database its numbers begin earlier.
  const through = Math.min(newest, after + MOST_EVENTS);
  const counts = through > after ? await record.stats.sessionEvents(after, through) : [];
  // Another reading took less time.
  if ((countedThrough.get(control) ?? newest) !== after) return;
  countedThrough.set(control, through);
  for (const { type, outcome, code, agent, count } of counts) {
    const isKnown = registry.some(({ slug }) => slug === agent);
    const reason = code !== null && ENDS.has(code) ? code : 'other';
    if (type === 'session.closed') measure('sessions_closed_total', { reason }, count);
    else if (type === 'session.renewed') measure('renewals_total', { outcome: OUTCOMES[outcome] }, count);
    else measure('frames_denied_total', isKnown && agent !== null ? { agent } : {}, count);
  }
}

/**
 * Reads the gauges from the databases and the mint shards, never during a request for a ticket. While a
 * database is away, its series have no value.
 */
const readGauges = cached(GAUGES_MS, async (ports, now): Promise<readonly Sample[]> => {
  const { control, record, keyring, registry } = ports;
  const slugs = registry.map(({ slug }) => slug);
  const [events, work, open, keys, webhooks] = await Promise.all([
    attempt(waitingEvents(ports, now)).then(known),
    attempt(waitingWork(ports, now)).then(known),
    attempt(record.sessions.openOf(slugs, MOST_SESSIONS)).then(known),
    attempt(keyring.rows(now)).then(known),
    attempt(control.webhooks.list()).then(known),
    // Where a dataset is bound, agent workers write points themselves.
    ports.metricsText === undefined ? undefined : attempt(countSessionEvents(ports)),
  ]);
  const youngest = new Map<string, number>();
  // Newest first: the first key of each state is the youngest.
  for (const row of keys ?? [])
    if (!youngest.has(stateOf(row, now))) youngest.set(stateOf(row, now), ageOf(row.activatesAt, now) ?? 0);
  const one = (name: SeriesName, value: number | null | undefined, labels: Labels = {}): Sample[] =>
    value === null || value === undefined ? [] : [{ name, value, labels }];
  return [
    ...slugs.flatMap((agent) => one('sessions_open', open?.get(agent), { agent })),
    ...one('outbox_waiting', work?.changes_waiting),
    ...one('record_backlog_events', events && events.events_waiting + (events.agent_events_waiting ?? 0)),
    ...one('record_backlog_age_seconds', events && (events.waiting_age ?? 0)),
    ...one('seal_age_seconds', work?.checkpoint_age),
    ...['pending', 'active', 'retiring'].flatMap((state) =>
      one('signing_key_age_seconds', youngest.get(state), { state }),
    ),
    ...one('webhooks_failing', webhooks?.filter(({ failingSince }) => failingSince !== null).length),
  ];
});

/** `GET /metrics`: counters of this process, and gauges of the whole, in the text format of Prometheus. */
export const showMetrics: Handler = async ({ ports, now }) => {
  const { metricsText } = ports;
  if (metricsText === undefined) return { outcome: err('route_unknown'), renderError };
  const text = metricsText(await readGauges(ports, now));
  const headers = { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' };
  return ok({ status: 200, stream: new Blob([text]).stream(), headers });
};

/** Writes the gauges as points each minute, where no scraper asks and a dataset is bound. `now` in ms. */
export async function measureGauges(ports: BrokerPorts, now: number): Promise<void> {
  if (ports.metricsText !== undefined || ports.measure === measureNothing) return;
  for (const { name, labels, value } of await readGauges(ports, now)) ports.measure(name, labels, value);
}
