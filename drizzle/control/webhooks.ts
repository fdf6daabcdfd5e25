import { and, asc, desc, eq, lte, sql } from 'drizzle-orm';
import type { Statement } from '../database.ts';
import type { ControlDatabase } from './change.ts';
import { webhooks } from './schema.ts';

export type WebhookRow = typeof webhooks.$inferSelect;
export type NewWebhook = Pick<
  WebhookRow,
  'id' | 'name' | 'url' | 'types' | 'audience' | 'sealed' | 'createdBy' | 'createdAt' | 'seq' | 'dueAt'
>;

/** The result of a run of deliveries to a webhook. */
export type WebhookProgress = Pick<
  WebhookRow,
  'seq' | 'attempts' | 'dueAt' | 'triedAt' | 'status' | 'fault' | 'failingSince' | 'skipped'
>;

/** The table holds no more than some dozens of rows, so that reading all of them is cheaper than an index. */
export function webhookStore(db: ControlDatabase) {
  return {
    async find(id: string): Promise<WebhookRow | undefined> {
      const [row] = await db.select().from(webhooks).where(eq(webhooks.id, id));
      return row;
    },

    /** Every webhook, newest first. */
    list: (): Promise<WebhookRow[]> =>
      db.select().from(webhooks).orderBy(desc(webhooks.createdAt), desc(webhooks.id)),

    /** Webhooks whose time has come, the longest due first. `now` in ms. */
    due: (now: number): Promise<WebhookRow[]> =>
      db.select().from(webhooks).where(lte(webhooks.dueAt, now)).orderBy(asc(webhooks.dueAt)),

    /**
     * Reserves a webhook for one run of deliveries until `until`, so that two brokers never deliver at the same time.
     * Returns whether this call reserved it.
     */
    async take({ id, dueAt }: Pick<WebhookRow, 'id' | 'dueAt'>, until: number): Promise<boolean> {
      const taken = await db
        .update(webhooks)
        .set({ dueAt: until })
        .where(and(eq(webhooks.id, id), eq(webhooks.dueAt, dueAt)))
        .returning({ id: webhooks.id });
      return taken.length === 1;
    },

    /**
     * Notes how far a run came that reserved the webhook until `until`. Returns whether it still has the webhook: an
     * operator may have moved the cursor or deleted it, or the run may be late.
     */
    async note(id: string, until: number, progress: Partial<WebhookProgress>): Promise<boolean> {
      const noted = await db
        .update(webhooks)
        .set(progress)
        .where(and(eq(webhooks.id, id), eq(webhooks.dueAt, until)))
        .returning({ id: webhooks.id });
      return noted.length === 1;
    },

    // Statements for a change.

    /** Does not apply where there are `most` of them. */
    insert: (row: NewWebhook, most: number): Statement =>
      db.insert(webhooks).select(
        sql`SELECT ${row.id}, ${row.name}, ${row.url}, ${row.types === null ? null : JSON.stringify(row.types)},
          ${row.audience}, ${row.sealed}, ${row.createdBy}, ${row.createdAt}, ${row.seq}, 0, ${row.dueAt},
          NULL, NULL, NULL, NULL, 0 WHERE (SELECT count(*) FROM ${webhooks}) < ${most}`,
      ),

    delete: (id: string): Statement => db.delete(webhooks).where(eq(webhooks.id, id)),

    /** Goes on after another event, at once; a run of deliveries that is under way stops. `now` in ms. */
    moveTo: (id: string, seq: number, now: number): Statement =>
      db.update(webhooks).set({ seq, attempts: 0, dueAt: now }).where(eq(webhooks.id, id)),

    /** The same secret, sealed anew, unless it has changed. */
    reseal: (id: string, before: string, after: string): Statement =>
      db
        .update(webhooks)
        .set({ sealed: after })
        .where(and(eq(webhooks.id, id), eq(webhooks.sealed, before))),
  };
}
