import { type RecordFact, reconciledEnd } from '@agent-ticket/drizzle/record/deliver.ts';
import type { AgentSessionRow } from '@agent-ticket/drizzle/record/sessions.ts';
import type { RecordStore } from '@agent-ticket/drizzle/record/store.ts';
import { SESSION_ABSOLUTE_SECONDS } from '@agent-ticket/shared/limits.ts';
import { SessionId } from '@agent-ticket/shared/names.ts';
import type { GateConfig } from '../config.ts';
import type { SessionAnswer, SessionQuestion } from '../handover.ts';

export interface ReconcilePorts {
  readonly config: Pick<GateConfig, 'audience'>;
  readonly record: Pick<RecordStore, 'deliver'> & {
    readonly sessions: Pick<RecordStore['sessions'], 'listOpen'>;
  };
  /** Asks one object which of these sessions are open; rejects when the object does not answer. */
  readonly listSessions: (
    agent: string,
    instance: string,
    question: SessionQuestion,
  ) => Promise<SessionAnswer>;
  readonly clock: () => number;
  /** At least 0 and less than 1. */
  readonly random: () => number;
}

/** A session this young may not have been accepted, or its end not delivered yet. */
const MIN_AGE_MS = 60_000;
/** Sessions compared in one run, half of them the oldest there are. */
const PER_RUN = 500;

interface Reconciled {
  readonly closed: number;
  readonly objects: number;
  readonly unreachable: number;
}

/**
 * Ends sessions that the record has as open and their object does not. Each run compares the oldest, which every such
 * session becomes one day, and where there are more also some that started after a random moment, so that none waits for
 * all before it. Safe to run any number of times at once: an end is written once, and its event has the session's id.
 */
export async function reconcile(ports: ReconcilePorts): Promise<Reconciled> {
  const now = ports.clock();
  const objects = new Map<string, AgentSessionRow[]>();
  for (const row of await candidates(ports, now)) {
    const name = `${row.agentSlug}/${row.instanceId}`;
    objects.set(name, [...(objects.get(name) ?? []), row]);
  }
  const results = await inBatches([...objects.values()], (rows) => endsOf(rows, ports, now));
  const ends = results.flatMap((result) => (result.status === 'fulfilled' ? result.value : []));
  await ports.record.deliver(ends, now);
  const unreachable = results.filter(({ status }) => status === 'rejected').length;
  return { closed: ends.length, objects: objects.size - unreachable, unreachable };
}

async function candidates(
  { config, record, random }: ReconcilePorts,
  now: number,
): Promise<AgentSessionRow[]> {
  const until = now - MIN_AGE_MS;
  const { audience } = config;
  const oldest = await record.sessions.listOpen(audience, 0, until, PER_RUN);
  if (oldest.length < PER_RUN) return oldest;
  const first = oldest.slice(0, PER_RUN / 2);
  const span = SESSION_ABSOLUTE_SECONDS * 1000;
  const others = await record.sessions.listOpen(
    audience,
    Math.floor(until - random() * span),
    until,
    PER_RUN / 2,
  );
  return [...new Map([...first, ...others].map((row) => [row.id, row])).values()];
}

/** The ends of those sessions of one object that are over. */
async function endsOf(
  rows: readonly AgentSessionRow[],
  { listSessions }: ReconcilePorts,
  now: number,
): Promise<RecordFact[]> {
  const [first] = rows;
  if (first === undefined) return [];
  const answer = await listSessions(first.agentSlug, first.instanceId, {
    sessions: rows.map(({ id }) => SessionId.parse(id)),
  });
  const ended = new Map(answer.ended.map((each) => [each.id, each]));
  return rows
    .filter(({ id }) => !answer.open.includes(id))
    .map((row) => {
      const { at, reason } = ended.get(row.id) ?? { at: now, reason: 'connection_lost' };
      return reconciledEnd(row, at, reason);
    });
}

/** Objects asked at the same time. */
const AT_ONCE = 20;

/** Asks each item, a few at a time; the results in the order of the items. */
export async function inBatches<Item, Answer>(
  items: readonly Item[],
  ask: (item: Item) => Promise<Answer>,
): Promise<PromiseSettledResult<Answer>[]> {
  const results: PromiseSettledResult<Answer>[] = [];
  for (let from = 0; from < items.length; from += AT_ONCE)
    results.push(...(await Promise.allSettled(items.slice(from, from + AT_ONCE).map(ask))));
  return results;
}
