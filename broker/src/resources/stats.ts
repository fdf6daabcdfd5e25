import { LIVED_AT_MOST_MS, type RefusalCount, type SpanCounts } from '@agent-ticket/drizzle/record/stats.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import * as z from 'zod';
import { iso } from '../http/iso.ts';
import { readQuery, Time } from '../http/query.ts';
import type { Call, Handler } from '../runtime/call.ts';
import { yieldTurn } from '../runtime/yield-turn.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/**
 * Lengths of one point, the most points of an answer, how many are shown when nobody says, and how many one statement
 * counts: on Node a statement stops the loop that everybody is served by.
 */
const STEPS = {
  minute: { ms: MINUTE_MS, most: 180, usual: 60, together: 60 },
  hour: { ms: HOUR_MS, most: 168, usual: 24, together: 2 },
  day: { ms: DAY_MS, most: 31, usual: 14, together: 1 },
} as const;

/** Whole steps: `from` is rounded down, `to` up. Left out: up to now. */
export const StatsQuery = z.object({
  step: z.enum(['minute', 'hour', 'day']).default('minute'),
  from: Time.optional(),
  to: Time.optional(),
});

/**
 * `GET /admin/stats`: a series of tickets, refusals and sessions, oldest first. Tickets and refusals are those of the events
 * in the record database, and `counted_from` says from when on these are all.
 */
export const showStats: Handler = async (call) => {
  const query = readQuery(call.request.url, StatsQuery);
  if (!query.ok) return query;
  const { step } = query.value;
  const starts = startsOf(query.value, call.now);
  if (!starts.ok) return starts;
  const [first] = starts.value;
  const { ms } = STEPS[step];
  if (first === undefined) return err('field_invalid', { field: 'to', hint: 'it is not after from' });
  const { stats } = call.ports.record;
  const agents = call.ports.registry.map(({ slug }) => slug);
  const counts: SpanCounts[] = [];
  const refusals: RefusalCount[] = [];
  for (const some of chunks(starts.value, STEPS[step].together)) {
    await yieldTurn();
    counts.push(...(await stats.counts(some, ms)));
    refusals.push(...(await stats.refusals(some, ms, agents)));
  }
  let live = await liveBefore(first, call);
  const items = counts.map(({ at, issued, denied, opened, closed }) => {
    live += opened - closed;
    return {
      at: iso(at),
      tickets: { issued, denied },
      refusals: refusals
        .filter((each) => each.at === at)
        .map(({ code, agent, count }) => ({ code, agent, count })),
      sessions: { opened, closed, live },
    };
  });
  return ok({
    status: 200,
    body: {
      step,
      from: iso(first),
      to: iso(first + starts.value.length * ms),
      counted_from: await countedFrom(call),
      items,
    },
  });
};

/**
 * When the last event was sealed that has moved to the archive or was deleted: an event that happened later is counted.
 * `null`: all events are in the database.
 */
async function countedFrom({ ports: { record } }: Call): Promise<string | null> {
  const gone = ((await record.auditLog.bounds())?.first ?? 1) - 1;
  const last = gone === 0 ? undefined : await record.checkpoints.reaching(gone);
  return last === undefined ? null : iso(last.at);
}

/** The moments at which the points of an answer begin. */
function startsOf({ step, from, to }: z.output<typeof StatsQuery>, now: number): Outcome<readonly number[]> {
  const { ms, most, usual } = STEPS[step];
  const end = Math.ceil((to ?? now + 1) / ms);
  const start = from === undefined ? end - usual : Math.floor(from / ms);
  return end - start > most
    ? err('field_invalid', {
        field: 'from',
        hint: `no more than ${most} points by ${step}: name a longer step`,
      })
    : ok(Array.from({ length: Math.max(0, end - start) }, (_, index) => (start + index) * ms));
}

/** Live sessions right before a moment, in ms: those that began within the longest life of one, an hour at a time. */
async function liveBefore(moment: number, { ports }: Call): Promise<number> {
  let live = 0;
  for (let start = moment - LIVED_AT_MOST_MS; start < moment; start += HOUR_MS) {
    await yieldTurn();
    live += await ports.record.stats.liveAt([start], HOUR_MS, moment);
  }
  return live;
}

const chunks = <T>(items: readonly T[], size: number): T[][] =>
  Array.from({ length: Math.ceil(items.length / size) }, (_, index) =>
    items.slice(index * size, (index + 1) * size),
  );
