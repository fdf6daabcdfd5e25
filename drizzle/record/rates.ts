import type { AuditEvent } from '@agent-ticket/shared/audit-event.ts';
import { CLOCK_SKEW_SECONDS } from '@agent-ticket/shared/limits.ts';
import { lt, sql } from 'drizzle-orm';
import { built } from '../database.ts';
import { insertEventWhen, valuesOf } from './audit-log.ts';
import type { RecordDatabase } from './revocations.ts';
import { rateWindows } from './schema.ts';

interface CountedEvents {
  readonly key: string;
  /** Units per window. */
  readonly limit: number;
  /** Units of this event; left out: 1. */
  readonly cost?: number | undefined;
  /** Written if the limit lets it pass. */
  readonly event?: AuditEvent | undefined;
  /** Written instead when it does not, once a window: a flood buys one row, not one a request. */
  readonly overLimit?: AuditEvent | undefined;
}

/** Counters and audit events in one write, for brokers that have no mint shard. Times in ms. */
export function rateStore(db: RecordDatabase) {
  const [key, now, cost] = [sql.placeholder('key'), sql.placeholder('now'), sql.placeholder('cost')];
  const isOver = sql`${rateWindows.startedAt} NOT BETWEEN ${sql.placeholder('oldest')} AND ${sql.placeholder('newest')}`;
  const counted = sql`(SELECT ${rateWindows.count} FROM ${rateWindows} WHERE ${rateWindows.key} = ${key})`;
  const countOne = built(() =>
    db
      .insert(rateWindows)
      .values({ key, startedAt: now, count: cost })
      .onConflictDoUpdate({
        target: rateWindows.key,
        set: {
          count: sql`CASE WHEN ${isOver} THEN ${cost} ELSE ${rateWindows.count} + ${cost} END`,
          startedAt: sql`CASE WHEN ${isOver} THEN ${now} ELSE ${rateWindows.startedAt} END`,
        },
      })
      .returning({ startedAt: rateWindows.startedAt, count: rateWindows.count }),
  );
  const insertIfUpTo = built(() => insertEventWhen(db, sql`${counted} <= ${sql.placeholder('limit')}`));
  const insertIfFirstOver = built(() =>
    insertEventWhen(db, sql`${counted} = ${sql.placeholder('limit')} + 1`),
  );
  const insertAlways = built(() => insertEventWhen(db, sql`true`));
  return {
    /**
     * Counts one event, the refused ones too, and writes what the count lets pass, all or nothing. Answers the window
     * it fell into, which starts with the first event after the last one ended.
     */
    async count(
      { key, limit, cost = 1, event, overLimit }: CountedEvents,
      now: number,
      windowMs: number,
    ): Promise<{ startedAt: number; count: number }> {
      // A window that begins in the future, beyond the clocks' difference, is over too: the clock was put back, and would
      // lock callers out for as long.
      const newest = now + CLOCK_SKEW_SECONDS * 1000;
      const oldest = now - windowMs + 1;
      const [[window]] = await db.batch([
        countOne({ key, now, cost, oldest, newest }),
        ...(event === undefined ? [] : [insertIfUpTo({ ...valuesOf(event), key, limit })]),
        ...(overLimit === undefined ? [] : [insertIfFirstOver({ ...valuesOf(overLimit), key, limit })]),
      ]);
      if (window === undefined) throw new Error('a counted event has no window');
      return window;
    },

    /** Writes an event of somebody without a limit: nothing is counted and no counter is touched. */
    async write(event: AuditEvent): Promise<void> {
      await db.batch([insertAlways(valuesOf(event))]);
    },

    /** Forgets windows that started before a moment. */
    async purge(startedBefore: number): Promise<void> {
      await db.delete(rateWindows).where(lt(rateWindows.startedAt, startedBefore));
    },
  };
}
