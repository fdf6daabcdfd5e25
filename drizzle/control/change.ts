import type { AuditEvent } from '@agent-ticket/shared/audit-event.ts';
import type { AgentSlug, InstanceName } from '@agent-ticket/shared/names.ts';
import type { Revocable, Revocation } from '@agent-ticket/shared/revocation.ts';
import { and, asc, desc, eq, exists, gt, inArray, isNull, lte, or, type SQL, sql } from 'drizzle-orm';
import {
  among,
  type Database,
  deleteFirst,
  each,
  type FoundPage,
  foundPage,
  isAfter,
  MAX_EXAMINED,
  rowsOf,
  type Statement,
} from '../database.ts';
import type * as schema from './schema.ts';
import { outbox, revocations } from './schema.ts';

export type ControlDatabase = Database<typeof schema>;

export type RevocationRow = typeof revocations.$inferSelect;
/** A revocation that a change makes. The batch numbers it. */
export type NewRevocation = Omit<RevocationRow, 'rev'>;

/** The command of an outbox row for live sessions. */
export type OutboxCommand =
  /** Send the revocations with these ids, as they are by then. */
  | {
      readonly op: 'revoke';
      readonly ids: readonly string[];
      /** Of the one agent worker that has what they hit, where the change knows it. */
      readonly audience?: string;
      /** The one instance that they hit, where the change knows it. */
      readonly at?: { readonly agent: AgentSlug; readonly instance: InstanceName };
    }
  /** Delete an instance; both revocations are by id, the lock is lifted when the object is gone. */
  | {
      readonly op: 'destroy';
      readonly agent: string;
      readonly instance: string;
      /** Refuses tickets from before. */
      readonly id: string;
      /** Keeps the instance closed until its object is gone. */
      readonly lock: string;
      /** When it was asked for, in ms: grants made later are for the instance that comes after. */
      readonly before: number;
    };

export type OutboxRow = typeof outbox.$inferSelect;

/** One change of policy, with the rows that must be written in the same batch. */
export interface Change {
  /** Statements that the change needs to have run first, as a new key before the one that it replaces. */
  readonly before?: readonly Statement[];
  /**
   * The change itself: one statement that changes no row where it does not apply (another change came first). Left out
   * where the change consists of the revocations.
   */
  readonly statement?: Statement | undefined;
  readonly event: AuditEvent;
  readonly revocations?: readonly NewRevocation[];
  readonly command?: OutboxCommand | undefined;
  /** More statements of the change, each made for the condition that it applied. */
  readonly after?: (applied: SQL) => readonly Statement[];
  /** When the flusher may try what the caller of the change did not deliver, in ms. */
  readonly dueAt: number;
}

/**
 * Makes one change: change, audit event, revocations and command in one batch, all or nothing. Answers the outbox row
 * to deliver, or `undefined` where the change did not apply and nothing was written.
 */
export async function change(db: ControlDatabase, wanted: Change): Promise<OutboxRow | undefined> {
  const { statement, event, command, dueAt } = wanted;
  const row = {
    id: event.eventId,
    event: JSON.stringify(event),
    command: command === undefined ? null : JSON.stringify(command),
    delivered: '[]',
    attempts: 0,
    dueAt,
  };
  // The statement right before: `changes()` counts the rows of that one alone.
  const condition = statement === undefined ? sql`1` : sql`changes() > 0`;
  const applied = exists(db.select({ one: sql`1` }).from(outbox).where(eq(outbox.id, row.id)));
  const before = [...(wanted.before ?? []), ...(statement === undefined ? [] : [statement])];
  const enqueue = db
    .insert(outbox)
    .select(
      sql`SELECT ${row.id}, ${row.event}, ${row.command}, ${row.delivered}, 0, ${dueAt} WHERE ${condition}`,
    )
    .returning({ id: outbox.id });
  const [head, ...rest] = [
    ...before,
    enqueue,
    ...(wanted.revocations ?? []).map((each) => writeRevocation(db, each, applied)),
    ...(wanted.after?.(applied) ?? []),
  ];
  if (head === undefined) throw new TypeError('a change has a statement');
  const results: readonly unknown[] = await db.batch([head, ...rest]);
  return rowsOf(results[before.length]).length === 1 ? row : undefined;
}

/** The number of the next change. The batch writes a row with it; the row with the greatest number is never purged. */
const nextRev = sql`(SELECT coalesce(max(rev), 0) + 1 FROM revocations)`;

const selectRevocation = (r: NewRevocation, when: SQL): SQL =>
  sql`SELECT ${r.id}, ${nextRev}, ${r.target}, ${r.kind}, ${r.until}, ${r.code}, ${r.reason}, ${r.createdBy}, ${r.createdAt} WHERE ${when}`;

/**
 * Writes a revocation or a newer version of one. A `before` row replaces the older one of the same target. Of two `any`
 * rows with one id, the one that ends later counts.
 */
const writeRevocation = (db: ControlDatabase, r: NewRevocation, when: SQL): Statement =>
  db
    .insert(revocations)
    .select(selectRevocation(r, when))
    .onConflictDoUpdate({
      target: revocations.id,
      set: {
        rev: sql`excluded.rev`,
        until: sql`CASE WHEN ${revocations.until} IS NULL OR excluded.until IS NULL THEN NULL ELSE max(${revocations.until}, excluded.until) END`,
        code: sql`excluded.code`,
        reason: sql`excluded.reason`,
        createdBy: sql`excluded.created_by`,
        createdAt: sql`excluded.created_at`,
      },
    });

export interface LockCursor {
  readonly createdAt: number;
  readonly id: string;
}

/** Condition of revocations in force at `now`, in ms. */
const isInForce = (now: number): SQL | undefined => or(isNull(revocations.until), gt(revocations.until, now));

export function revocationStore(db: ControlDatabase) {
  return {
    async find(id: string): Promise<RevocationRow | undefined> {
      const [row] = await db.select().from(revocations).where(eq(revocations.id, id));
      return row;
    },

    findAll: (ids: readonly string[]): Promise<RevocationRow[]> =>
      db
        .select()
        .from(revocations)
        .where(inArray(revocations.id, among(ids))),

    /** All, in force or not, in the order of their numbers, after one. */
    following: (rev: number, limit: number): Promise<RevocationRow[]> =>
      db
        .select()
        .from(revocations)
        .where(gt(revocations.rev, rev))
        .orderBy(asc(revocations.rev))
        .limit(limit),

    /** The greatest number of a change; 0 before the first. */
    async newestRev(): Promise<number> {
      const [row] = await db.select({ rev: sql<number>`coalesce(max(rev), 0)` }).from(revocations);
      return row?.rev ?? 0;
    },

    /** Locks in force, newest first, past those that were lifted or have ended. `now` in ms. */
    async listLocks(
      now: number,
      after: LockCursor | undefined,
      limit: number,
    ): Promise<FoundPage<RevocationRow, LockCursor>> {
      const { createdAt, id } = revocations;
      const examined = db
        .select()
        .from(revocations)
        .where(and(sql`code = 'locked'`, isAfter(createdAt, id, after && [after.createdAt, after.id])))
        .orderBy(desc(createdAt), desc(id))
        .limit(MAX_EXAMINED)
        .as('examined');
      const page = await db.batch([
        // In the order of the subquery: to sort again, all of it would be read first.
        db
          .select()
          .from(examined)
          .where(or(isNull(examined.until), gt(examined.until, now)))
          .limit(limit),
        db
          .select({ createdAt: examined.createdAt, id: examined.id })
          .from(examined)
          .limit(1)
          .offset(MAX_EXAMINED - 1),
      ]);
      return foundPage(page, limit);
    },

    /** Revocations of `any` ticket that are in force on one of the targets, one of each. `now` in ms. */
    anyOn: (targets: readonly string[], now: number): Promise<RevocationRow[]> =>
      db.select().from(revocations).where(isAnyOn(targets, now)),

    /** The statement of a {@link change} that writes a revocation unless there is a row of its id, in force or not. */
    writeFirst: (r: NewRevocation): Statement =>
      db
        .insert(revocations)
        .select(selectRevocation(r, sql`1`))
        .onConflictDoNothing({ target: revocations.id }),

    /** Whether one hits a ticket: `isHit` of the shared revocations, in SQL. `now` in ms. */
    async hits({ names, rev }: Revocable, now: number): Promise<boolean> {
      const hit = await db
        .select({ id: revocations.id })
        .from(revocations)
        .where(
          and(
            inArray(revocations.target, among(names)),
            isInForce(now),
            or(eq(revocations.kind, 'any'), gt(revocations.rev, rev)),
          ),
        )
        .limit(1);
      return hit.length > 0;
    },

    /** Statement: the row hits until a moment in ms, in place of for ever. No new version: copies may keep it longer. */
    endAt: (id: string, until: number): Statement =>
      db.update(revocations).set({ until }).where(eq(revocations.id, id)),

    /**
     * Notes that tickets may rest on a target from now on: a row that hits nothing, and is kept as long as a ticket or
     * session from now may last. `now` in ms.
     */
    async mark(id: string, target: string, now: number): Promise<void> {
      await db
        .insert(revocations)
        .select(
          sql`SELECT ${id}, ${nextRev}, ${target}, 'any', ${now}, 'rights_changed', 'marks tickets that may exist', 'broker', ${now}`,
        )
        .onConflictDoUpdate({ target: revocations.id, set: { until: now, createdAt: now } });
    },

    /** The statement that lifts a lock in force now, for a {@link change}. */
    lift: (id: string, now: number): Statement =>
      db
        .update(revocations)
        .set({ until: now, rev: nextRev })
        .where(and(eq(revocations.id, id), isInForce(now))),

    /**
     * Gives the next change a number greater than `rev`. After a restore from a backup, copies hold changes that this
     * database no longer has, and new tickets would have smaller numbers than those.
     */
    async jumpTo(rev: number, now: number): Promise<void> {
      await db
        .insert(revocations)
        .select(
          sql`SELECT 'restored', ${rev + 1}, 'ticket:00000000-0000-4000-8000-000000000000', 'any', ${now}, 'rights_changed', 'numbers go on after those of the record database', 'broker', ${now} WHERE ${nextRev} <= ${rev}`,
        )
        .onConflictDoUpdate({ target: revocations.id, set: { rev: sql`excluded.rev` } });
    },

    /**
     * Forgets rows that stopped to hit before a moment, in ms, no more than `limit`; never the newest, whose number must not
     * be given again. How many went.
     */
    purge(before: number, limit: number): Promise<number> {
      return deleteFirst(db, {
        key: revocations.id,
        by: revocations.until,
        where: and(lte(revocations.until, before), sql`rev < (SELECT max(rev) FROM revocations)`),
        limit,
      });
    },
  };
}

/** Condition of the revocations of `any` ticket that are in force on one of the targets: one of each. `now` in ms. */
export const isAnyOn = (targets: readonly string[], now: number): SQL =>
  sql`${revocations.id} IN (
    SELECT ${firstAnyOn(sql`named.value`, now)} FROM ${each(targets)} AS named)`;

/**
 * The id of a revocation of `any` ticket in force on a target: one, however many locks the target has. Each is a seek,
 * also past those that have ended.
 */
export const firstAnyOn = (target: SQL, now: SQL | number): SQL =>
  sql`coalesce(
    (SELECT one.id FROM ${revocations} one WHERE one.target = ${target} AND one.kind = 'any' AND one.until IS NULL LIMIT 1),
    (SELECT one.id FROM ${revocations} one WHERE one.target = ${target} AND one.kind = 'any' AND one.until > ${now} LIMIT 1))`;

/** A revocation as agent workers get it: without reason and author. */
export const publicRevocation = ({ id, rev, target, kind, until, code }: RevocationRow): Revocation => ({
  id,
  rev,
  target,
  kind,
  until,
  code,
});

export function outboxStore(db: ControlDatabase) {
  return {
    /** Rows whose time has come, the longest due first. `now` in ms. */
    due: (now: number, limit: number): Promise<OutboxRow[]> =>
      db.select().from(outbox).where(lte(outbox.dueAt, now)).orderBy(asc(outbox.dueAt)).limit(limit),

    count: (): Promise<number> => db.$count(outbox),

    /**
     * Reserves a row for one attempt and moves its next attempt to `dueAt`, so that two brokers never deliver it at the
     * same time. Returns whether this call reserved it.
     */
    async take({ id, attempts }: Pick<OutboxRow, 'id' | 'attempts'>, dueAt: number): Promise<boolean> {
      const taken = await db
        .update(outbox)
        .set({ attempts: sql`${outbox.attempts} + 1`, dueAt })
        .where(and(eq(outbox.id, id), eq(outbox.attempts, attempts)))
        .returning({ id: outbox.id });
      return taken.length === 1;
    },

    /** Adds audiences of agent workers that have executed the command. */
    async noteDelivered(id: string, audiences: readonly string[]): Promise<void> {
      const known = sql`SELECT value FROM json_each(${outbox.delivered})`;
      const both = sql`${known} UNION ALL SELECT value FROM ${each(audiences)} WHERE value NOT IN (${known})`;
      await db
        .update(outbox)
        .set({ delivered: sql`(SELECT json_group_array(value) FROM (${both}))` })
        .where(eq(outbox.id, id));
    },

    /** The event is in the record database, and every object that the command names has answered. */
    async done(id: string): Promise<void> {
      await db.delete(outbox).where(eq(outbox.id, id));
    },

    /** The same as a statement. */
    remove: (id: string): Statement => db.delete(outbox).where(eq(outbox.id, id)),
  };
}
