import { sql } from 'drizzle-orm';
import { beforeEach, describe, expect, it } from 'vitest';
import { type FoundPage, MAX_EXAMINED } from '../../database.ts';
import type { Databases, OpenDatabases } from './databases.ts';
import { ALICE, BOB, NOW } from './rows.ts';

const ROWS = 2 * MAX_EXAMINED + 500;
/** One of so many rows is Bob's, the others are Alice's. Three of them have the same time. */
const EACH = 700;
const FOUND = Math.floor(ROWS / EACH);

const numbers = sql`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${ROWS})`;
const who = sql`CASE WHEN i % ${EACH} = 0 THEN ${BOB} ELSE ${ALICE} END`;
const time = sql`${NOW} + i / 3`;

export function describeBoundedLists(open: OpenDatabases): void {
  describe('lists by filters that have no index together', () => {
    let databases: Databases;
    beforeEach(async () => {
      databases = await open();
      await databases.controlDb.run(
        sql`INSERT INTO grants (id, subject, agent_slug, instance_id, role, reason, created_by, created_at)
          ${numbers} SELECT 'g' || i, 's' || i, CASE WHEN i % ${EACH} = 0 THEN 'lobby' ELSE 'counter' END, 'main', 'viewer', 'r', 'c', ${time} FROM n`,
      );
      await databases.controlDb.run(
        sql`INSERT INTO revocations (id, rev, target, kind, until, code, reason, created_by, created_at)
          ${numbers} SELECT 'l' || i, i, 'agent:a', 'any', CASE WHEN i % ${EACH} = 0 THEN NULL ELSE ${NOW} END, 'locked', 'r', 'c', ${time} FROM n`,
      );
      await databases.recordDb.run(
        sql`INSERT INTO audit_events (event_id, at, type, outcome, user_id, agent_slug)
          ${numbers} SELECT 'e' || i, ${time}, CASE WHEN i % ${EACH} = 0 THEN 'ticket.denied' ELSE 'ticket.issued' END, 'success', ${ALICE}, 'counter' FROM n`,
      );
      await databases.recordDb.run(
        sql`INSERT INTO agent_sessions (id, user_id, agent_slug, instance_id, audience, role, scope, started_at, ended_at, jti, kid, rev)
          ${numbers} SELECT 's' || i, ${who}, 'counter', 'main', 'agents.test', 'viewer', 's', ${time}, NULL, 'j' || i, 'k', 1 FROM n`,
      );
    });

    async function walk<Row, Cursor>(
      list: (after: Cursor | undefined) => Promise<FoundPage<Row, Cursor>>,
      cursorOf: (row: Row) => Cursor,
    ): Promise<{ rows: Row[]; pages: number }> {
      const rows: Row[] = [];
      let after: Cursor | undefined;
      for (let pages = 1; ; pages += 1) {
        const page: FoundPage<Row, Cursor> = await list(after);
        rows.push(...page.rows);
        const last = page.rows.at(-1);
        // Pages of one row are asked for.
        after = last === undefined ? page.stoppedAt : cursorOf(last);
        if (after === undefined) return { rows, pages };
      }
    }
    const isEach = <Row>(rows: readonly Row[]) => {
      expect(rows).toHaveLength(FOUND);
      expect(new Set(rows.map((row) => JSON.stringify(row))).size).toBe(FOUND);
    };

    it('of events have every match on one page, in order, with few examined for each', async () => {
      const { rows, pages } = await walk(
        (after: { at: number; seq: number } | undefined) =>
          databases.record.auditLog.list({ principal: ALICE, type: 'ticket.denied' }, after, 1),
        ({ at, seq }) => ({ at, seq }),
      );
      isEach(rows);
      expect(rows.map(({ seq }) => seq)).toEqual(rows.map(({ seq }) => seq).sort((a, b) => b - a));
      expect(pages).toBeGreaterThan(FOUND);
    });

    it('of sessions do', async () => {
      const { rows } = await walk(
        (after: { startedAt: number; id: string } | undefined) =>
          databases.record.sessions.list({ agent: 'counter', instance: 'main', principal: BOB }, after, 1),
        ({ startedAt, id }) => ({ startedAt, id }),
      );
      isEach(rows);
    });

    it('of grants and of locks do', async () => {
      const cursorOf = ({ createdAt, id }: { createdAt: number; id: string }) => ({ createdAt, id });
      type Cursor = ReturnType<typeof cursorOf>;
      const { grants, revocations } = databases.control;
      isEach(
        (
          await walk(
            (after: Cursor | undefined) =>
              grants.list({ instance: 'main', agent: 'lobby', now: NOW }, after, 1),
            cursorOf,
          )
        ).rows,
      );
      isEach(
        (await walk((after: Cursor | undefined) => revocations.listLocks(NOW, after, 1), cursorOf)).rows,
      );
      const one = await walk(
        (after: Cursor | undefined) => grants.list({ instance: 'side', now: NOW }, after, 1),
        cursorOf,
      );
      expect(one).toEqual({ rows: [], pages: 3 });
    });

    it('that match nothing stop after so many rows, and say where', async () => {
      const page = await databases.record.auditLog.list(
        { principal: ALICE, type: 'ticket.issued', outcome: 'denied' },
        undefined,
        50,
      );
      expect(page).toEqual({ rows: [], stoppedAt: { at: expect.any(Number), seq: ROWS - MAX_EXAMINED + 1 } });
    });
  });
}
