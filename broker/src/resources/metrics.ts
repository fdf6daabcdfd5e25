import { err, ok } from '@agent-ticket/shared/outcome.ts';
import { renderError } from '../http/answer.ts';
import { stateOf } from '../keys/schedule.ts';
import { type Labels, measureNothing, type Sample, type SeriesName } from '../metrics/series.ts';
import type { Handler } from '../runtime/call.ts';
import type { BrokerPorts } from '../runtime/ports.ts';
import { ageOf, attempt, cached, known, waitingEvents, waitingWork } from './health.ts';

/** Scrapers ask each 15 s or less often; several scrapers share one reading. */
const GAUGES_MS = 10_000;
/** The most sessions of an agent that one reading counts. */
const MOST_SESSIONS = 100_000;

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
