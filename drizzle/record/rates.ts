import type { AuditEvent } from '@agent-ticket/shared/audit-event.ts';
import { CLOCK_SKEW_SECONDS } from '@agent-ticket/shared/limits.ts';
import { type SQL, sql } from 'drizzle-orm';
import { built } from '../database.ts';
import { type InstanceMark, keysOf, MARKS, type MarkResult } from '../instance-marks.ts';
import { insertEventWhen, valuesOf } from './audit-log.ts';
import type { RecordDatabase } from './revocations.ts';
import { rateWindows } from './schema.ts';

export interface CountedEvents {
  readonly key: string;
  /** Units per window. */
  readonly limit: number;
  /** Units of this event; left out: 1. */
  readonly cost?: number | undefined;
  /** Written if the limit lets it pass. */
  readonly event?: AuditEvent | undefined;
  /** Written instead when it does not, once a window: a flood buys one row, not one a request. */
  readonly overLimit?: AuditEvent | undefined;
  /** The instance that the event is about: it must have a mark, or get one, for the limit to let the event pass. */
  readonly mark?: InstanceMark | undefined;
}

export interface CountedWindow {
  readonly startedAt: number;
  readonly count: number;
  /** Left out: no mark was asked for, or the limit did not let the event pass. */
  readonly mark?: MarkResult;
}

/** Counters and audit events in one write, for brokers that have no mint shard. Times in ms. */
export function rateStore(db: RecordDatabase) {
  const [key, now, cost] = [sql.placeholder('key'), sql.placeholder('now'), sql.placeholder('cost')];
  /** The new values of a window: one more of these, or the first of them where the window is over. */
  const counting = (isLive: SQL, units: SQL) => ({
    count: sql`CASE WHEN ${isLive} THEN ${rateWindows.count} + ${units} ELSE ${units} END`,
    startedAt: sql`CASE WHEN ${isLive} THEN ${rateWindows.startedAt} ELSE ${now} END`,
  });
  const isLiveSince = (oldest: string): SQL =>
    sql`${rateWindows.startedAt} BETWEEN ${sql.placeholder(oldest)} AND ${sql.placeholder('newest')}`;
  const counted = sql`(SELECT ${rateWindows.count} FROM ${rateWindows} WHERE ${rateWindows.key} = ${key})`;
  const countOne = built(() =>
    db
      .insert(rateWindows)
      .values({ key, startedAt: now, count: cost })
      .onConflictDoUpdate({
        target: rateWindows.key,
        set: counting(isLiveSince('oldest'), sql`${cost}`),
      })
      .returning({ startedAt: rateWindows.startedAt, count: rateWindows.count }),
  );
  const isUpTo = sql`${counted} <= ${sql.placeholder('limit')}`;
  const insertIfUpTo = built(() => insertEventWhen(db, isUpTo));
  const insertIfFirstOver = built(() =>
    insertEventWhen(db, sql`NOT ${isUpTo} AND ${counted} - ${cost} <= ${sql.placeholder('limit')}`),
  );

  // Marks are written after the count and before the events, each by what the ones before have left.
  const mark = sql.placeholder('mark');
  const isLive = isLiveSince('markOldest');
  const isMarked = sql`EXISTS (SELECT 1 FROM ${rateWindows} WHERE ${rateWindows.key} = ${mark} AND ${isLive})`;
  const isOfAccount = sql`${rateWindows.key} >= ${sql.placeholder('from')} AND ${rateWindows.key} < ${sql.placeholder('to')} AND ${isLive}`;
  const names = sql`(SELECT count(*) FROM ${rateWindows} WHERE ${isOfAccount})`;
  const insertMark = built(() =>
    db
      .insert(rateWindows)
      .select(
        sql`SELECT ${mark}, ${now}, 1 WHERE ${isUpTo} AND NOT ${isMarked} AND ${names} < ${sql.placeholder('most')}`,
      )
      .onConflictDoUpdate({ target: rateWindows.key, set: { startedAt: sql`${now}` } }),
  );
  const refusals = sql.placeholder('refusals');
  const countRefusal = built(() =>
    db
      .insert(rateWindows)
      .select(sql`SELECT ${refusals}, ${now}, 1 WHERE ${isUpTo} AND NOT ${isMarked}`)
      .onConflictDoUpdate({
        target: rateWindows.key,
        set: counting(isLive, sql`1`),
      }),
  );
  const refused = sql`(SELECT ${rateWindows.count} FROM ${rateWindows} WHERE ${rateWindows.key} = ${refusals})`;
  const selectMark = built(() =>
    db
      .select({
        isMarked: sql<number>`${isMarked}`,
        refusals: sql<number | null>`${refused}`,
        first: sql<
          number | null
        >`(SELECT min(${rateWindows.startedAt}) FROM ${rateWindows} WHERE ${isOfAccount})`,
      })
      .from(sql`(SELECT 1)`),
  );
  const insertIfMarked = built(() => insertEventWhen(db, sql`${isUpTo} AND ${isMarked}`));
  const insertIfFirstUnmarked = built(() =>
    insertEventWhen(
      db,
      sql`${counted} = ${sql.placeholder('limit')} + 1 OR (${isUpTo} AND NOT ${isMarked} AND ${refused} = 1)`,
    ),
  );
  const insertAlways = built(() => insertEventWhen(db, sql`true`));
  return {
    /**
     * Counts one event, the refused ones too, and writes what the count lets pass, all or nothing. Answers the window
     * it fell into, which starts with the first event after the last one ended.
     */
    async count(
      { key, limit, cost = 1, event, overLimit, mark }: CountedEvents,
      now: number,
      windowMs: number,
    ): Promise<CountedWindow> {
      // A window that begins in the future, beyond the clocks' difference, is over too: the clock was put back, and would
      // lock callers out for as long.
      const newest = now + CLOCK_SKEW_SECONDS * 1000;
      const oldest = now - windowMs + 1;
      const countIt = countOne({ key, now, cost, oldest, newest });
      if (mark === undefined) {
        const [[window]] = await db.batch([
          countIt,
          ...(event === undefined ? [] : [insertIfUpTo({ ...valuesOf(event), key, limit })]),
          ...(overLimit === undefined
            ? []
            : [insertIfFirstOver({ ...valuesOf(overLimit), key, limit, cost })]),
        ]);
        if (window === undefined) throw new Error('a counted event has no window');
        return window;
      }
      const asked = {
        ...keysOf(mark),
        ...{ key, limit, now, newest, most: mark.limit, markOldest: now - mark.windowMs + 1 },
      };
      const [[window], , , [marked]] = await db.batch([
        countIt,
        insertMark(asked),
        countRefusal(asked),
        selectMark(asked),
        ...(event === undefined ? [] : [insertIfMarked({ ...valuesOf(event), ...asked })]),
        ...(overLimit === undefined ? [] : [insertIfFirstUnmarked({ ...valuesOf(overLimit), ...asked })]),
      ]);
      if (window === undefined || marked === undefined) throw new Error('a counted event has no window');
      if (window.count > limit) return window;
      if (marked.isMarked === 1) return { ...window, mark: { isWithin: true } };
      const { first, refusals } = marked;
      const freeAt = (first ?? now) + mark.windowMs;
      return { ...window, mark: { isWithin: false, freeAt, refusals: refusals ?? 0 } };
    },

    /** Writes an event of somebody without a limit: nothing is counted and no counter is touched. */
    async write(event: AuditEvent): Promise<void> {
      await db.batch([insertAlways(valuesOf(event))]);
    },

    /** Forgets windows that started before a moment, and marks of before another. */
    async purge(startedBefore: number, markedBefore: number): Promise<void> {
      const isMark = sql`${rateWindows.key} >= ${MARKS.from} AND ${rateWindows.key} < ${MARKS.to}`;
      await db
        .delete(rateWindows)
        .where(
          sql`${rateWindows.startedAt} < CASE WHEN ${isMark} THEN ${markedBefore} ELSE ${startedBefore} END`,
        );
    },
  };
}
