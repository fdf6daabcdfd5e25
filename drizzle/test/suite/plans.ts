import { gte, sql } from 'drizzle-orm';
import { getTableConfig, type SQLiteTable } from 'drizzle-orm/sqlite-core';
import { drizzle, type SqliteRemoteDatabase } from 'drizzle-orm/sqlite-proxy';
import { beforeAll, describe, expect, it } from 'vitest';
import * as controlSchema from '../../control/schema.ts';
import * as recordSchema from '../../record/schema.ts';
import { CONTROL_TABLES, type Databases, type OpenDatabases, RECORD_TABLES } from './databases.ts';
import { CONTROL_PLANS, controlPlanStore, type Plan, RECORD_PLANS, recordPlanStore } from './plan-table.ts';
import { NOW } from './rows.ts';

interface Statement {
  readonly text: string;
  readonly values: readonly unknown[];
}

/** The statements that `work` runs, by a driver that writes them down and finds nothing. */
async function statementsOf<Schema extends Record<string, unknown>>(
  schema: Schema,
  work: (db: SqliteRemoteDatabase<Schema>) => Promise<unknown>,
): Promise<Statement[]> {
  const seen: Statement[] = [];
  const note = (text: string, values: readonly unknown[]) => {
    seen.push({ text, values });
    return { rows: [] };
  };
  const db = drizzle(
    async (text, values) => note(text, values),
    async (batch) => batch.map(({ sql: text, params }) => note(text, params)),
    { schema },
  );
  // A caller that needs a row finds none; its statements are written down by then.
  await work(db).catch(() => undefined);
  return seen;
}

/** How the database would find the rows of a statement, with the values that it has. */
async function planOf(
  db: Databases['controlDb'] | Databases['recordDb'],
  { text, values }: Statement,
): Promise<string[]> {
  const [head = '', ...rest] = text.split('?');
  const bound = rest.map((part, index) => sql`${values[index]}${sql.raw(part)}`);
  const steps = await db.all<{ detail: string }>(sql`EXPLAIN QUERY PLAN ${sql.raw(head)}${sql.join(bound)}`);
  return steps.map(({ detail }) => detail);
}

/** A unique index earns its place by what it refuses. */
const indexesOf = (tables: readonly SQLiteTable[]): string[] =>
  tables.flatMap((table) => getTableConfig(table).indexes.map((index) => index.config.name));

/** A walk through a whole table or a whole index. A constant row and the values of a JSON list are neither. */
const SCAN = /^SCAN (?!CONSTANT ROW$|json_each VIRTUAL TABLE)(\w+)/;
const SORT = /^USE TEMP B-TREE/;

/** The tables that a plan walks through, by themselves or by an index. The rows of a subquery are no table. */
function scansOf(plan: readonly string[]): string[] {
  const subqueries = plan.map((step) => /^(?:CO-ROUTINE|MATERIALIZE) (\w+)/.exec(step)?.[1]);
  return plan.flatMap((step) => SCAN.exec(step)?.[1] ?? []).filter((name) => !subqueries.includes(name));
}

export function describePlans(open: OpenDatabases): void {
  describe('query plans', () => {
    let databases: Databases;
    // Once: a libSQL connection that has explained a write takes no batch any more.
    beforeAll(async () => {
      databases = await open();
    });
    const planOfAll = async (
      db: Databases['controlDb'] | Databases['recordDb'],
      statements: readonly Statement[],
    ) => (await Promise.all(statements.map((each) => planOf(db, each)))).flat();

    function check(plan: readonly string[], { by, sorts, scans }: Omit<Plan<never>, 'work'>): void {
      const named = plan.map((step) => / USING (?:COVERING )?INDEX (\w+)/.exec(step)?.[1]);
      expect(named, plan.join('\n')).toEqual(expect.arrayContaining([...by]));
      expect(scansOf(plan), plan.join('\n')).toEqual(scans === undefined ? [] : [scans]);
      expect(
        plan.some((step) => SORT.test(step)),
        plan.join('\n'),
      ).toBe(sorts === true);
    }

    it.each(CONTROL_PLANS)('control: $what', async ({ work, ...wanted }) => {
      const statements = await statementsOf(controlSchema, (db) => work(controlPlanStore(db)));
      check(await planOfAll(databases.controlDb, statements), wanted);
    });

    it.each(RECORD_PLANS)('record: $what', async ({ work, ...wanted }) => {
      const statements = await statementsOf(recordSchema, (db) => work(recordPlanStore(db)));
      check(await planOfAll(databases.recordDb, statements), wanted);
    });

    it('shows a walk through an index where a seek is defeated', async () => {
      const { auditEvents } = recordSchema;
      const scansWhere = async (bound: (typeof auditEvents)['at'] | ReturnType<typeof sql>) => {
        const statements = await statementsOf(recordSchema, (db) =>
          db.select({ at: auditEvents.at }).from(auditEvents).where(gte(bound, NOW)).orderBy(auditEvents.at),
        );
        return scansOf(await planOfAll(databases.recordDb, statements));
      };
      expect(await scansWhere(auditEvents.at)).toEqual([]);
      expect(await scansWhere(sql`${auditEvents.at} + 0`)).toEqual(['audit_events']);
    });

    it('use every index, or it has not earned its place', () => {
      const used = (plans: readonly { readonly by: readonly string[] }[]) => [
        ...new Set(plans.flatMap(({ by }) => by)),
      ];
      const named = (indexes: readonly string[]) => indexes.filter((name) => !/_unique$/.test(name)).sort();
      expect(named(used(CONTROL_PLANS))).toEqual(named(indexesOf(CONTROL_TABLES)));
      expect(named(used(RECORD_PLANS))).toEqual(named(indexesOf(RECORD_TABLES)));
    });
  });
}
