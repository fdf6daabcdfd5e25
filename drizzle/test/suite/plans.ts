import { sql } from 'drizzle-orm';
import { getTableConfig, type SQLiteTable } from 'drizzle-orm/sqlite-core';
import { drizzle } from 'drizzle-orm/sqlite-proxy';
import { beforeAll, describe, expect, it } from 'vitest';
import * as controlSchema from '../../control/schema.ts';
import * as recordSchema from '../../record/schema.ts';
import { CONTROL_TABLES, type Databases, type OpenDatabases, RECORD_TABLES } from './databases.ts';
import { CONTROL_PLANS, type Plan, RECORD_PLANS } from './plan-table.ts';

interface Statement {
  readonly text: string;
  readonly values: readonly unknown[];
}

/** The statements that `work` runs, by a driver that writes them down and finds nothing. */
async function statementsOf<Schema extends Record<string, unknown>>(
  schema: Schema,
  work: Plan<Schema>['work'],
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
  await work(db);
  return seen;
}

/** How the database would find the rows of a statement, with the values that it has. */
async function planOf(
  db: Databases['control'] | Databases['record'],
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

const SCAN_OF_A_TABLE = /^SCAN (?!CONSTANT ROW$|.* INDEX )/;
const SORT = /^USE TEMP B-TREE/;

export function describePlans(open: OpenDatabases): void {
  describe('query plans', () => {
    let databases: Databases;
    // Once: a libSQL connection that has explained a write takes no batch any more.
    beforeAll(async () => {
      databases = await open();
    });

    async function check<Schema extends Record<string, unknown>>(
      db: Databases['control'] | Databases['record'],
      schema: Schema,
      { work, by, sorts }: Plan<Schema>,
    ): Promise<void> {
      const statements = await statementsOf(schema, work);
      const plan = (await Promise.all(statements.map((each) => planOf(db, each)))).flat();
      const named = plan.map((step) => / USING (?:COVERING )?INDEX (\w+)/.exec(step)?.[1]);
      expect(named).toEqual(expect.arrayContaining([...by]));
      expect(plan.filter((step) => SCAN_OF_A_TABLE.test(step))).toEqual([]);
      expect(plan.some((step) => SORT.test(step))).toBe(sorts === true);
    }

    it.each(CONTROL_PLANS)('control: $what', (plan) => check(databases.control, controlSchema, plan));
    it.each(RECORD_PLANS)('record: $what', (plan) => check(databases.record, recordSchema, plan));

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
