import { type SQLWrapper, sql } from 'drizzle-orm';
import { getTableConfig, type SQLiteTable } from 'drizzle-orm/sqlite-core';
import { drizzle, type SqliteRemoteDatabase } from 'drizzle-orm/sqlite-proxy';
import { beforeAll, describe, expect, it } from 'vitest';
import * as controlSchema from '../../control/schema.ts';
import { controlStore } from '../../control/store.ts';
import * as recordSchema from '../../record/schema.ts';
import { recordStore } from '../../record/store.ts';
import { CONTROL_PLANS } from './control-plans.ts';
import { CONTROL_TABLES, type Databases, type OpenDatabases, RECORD_TABLES } from './databases.ts';
import type { Plan } from './plan-table.ts';
import { RECORD_PLANS } from './record-plans.ts';
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
const SCAN = /^SCAN (?!CONSTANT ROW$|\w+ VIRTUAL TABLE)(\w+)/;
const SORT = /^USE TEMP B-TREE/;

/** The tables that a plan walks through, by themselves or by an index. The rows of a subquery are no table. */
function scansOf(plan: readonly string[]): string[] {
  const subqueries = plan.map((step) => /^(?:CO-ROUTINE|MATERIALIZE) (\w+)/.exec(step)?.[1]);
  return plan.flatMap((step) => SCAN.exec(step)?.[1] ?? []).filter((name) => !subqueries.includes(name));
}

/** The names of the queries of a store, and of those that the plans call. */
async function queriesOf<Store extends object, Schema extends Record<string, unknown>>(
  plans: readonly Plan<Store>[],
  open: (db: SqliteRemoteDatabase<Schema>) => Store,
  schema: Schema,
): Promise<{ all: string[]; named: string[] }> {
  const seen = new Set<string>();
  const all: string[] = [];
  for (const { work } of plans)
    await statementsOf(schema, (db) => {
      const store = open(db);
      all.splice(0, all.length, ...namesIn(store));
      return work(noting(store, seen, ''));
    });
  return { all: all.sort(), named: [...seen].sort() };
}

const namesIn = (store: object): string[] =>
  Object.entries(store).flatMap(([name, member]: [string, unknown]) =>
    typeof member === 'object' && member !== null
      ? Object.keys(member).map((query) => `${name}.${query}`)
      : [name],
  );

/** A store that notes the name of each query that is taken from it. */
const noting = <Store extends object>(store: Store, seen: Set<string>, prefix: string): Store =>
  new Proxy(store, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name);
      if (typeof member === 'object' && member !== null) return noting(member, seen, `${String(name)}.`);
      seen.add(prefix + String(name));
      return member;
    },
  });

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
      expect(scansOf(plan), plan.join('\n')).toEqual([scans ?? []].flat());
      expect(
        plan.some((step) => SORT.test(step)),
        plan.join('\n'),
      ).toBe(sorts === true);
    }

    it.each(CONTROL_PLANS)('control: $what', async ({ work, ...wanted }) => {
      const statements = await statementsOf(controlSchema, (db) => work(controlStore(db)));
      check(await planOfAll(databases.controlDb, statements), wanted);
    });

    it.each(RECORD_PLANS)('record: $what', async ({ work, ...wanted }) => {
      const statements = await statementsOf(recordSchema, (db) => work(recordStore(db)));
      check(await planOfAll(databases.recordDb, statements), wanted);
    });

    it('shows a walk through an index where a seek is defeated', async () => {
      const { auditEvents } = recordSchema;
      const scansWhere = async (bound: SQLWrapper) => {
        const statements = await statementsOf(recordSchema, (db) =>
          db
            .select({ at: auditEvents.at })
            .from(auditEvents)
            .where(sql`${bound} >= ${NOW}`)
            .orderBy(auditEvents.at),
        );
        return scansOf(await planOfAll(databases.recordDb, statements));
      };
      expect(await scansWhere(auditEvents.at)).toEqual([]);
      expect(await scansWhere(sql`${auditEvents.at} + 0`)).toEqual(['audit_events']);
    });

    it.each<[string, () => Promise<{ all: string[]; named: string[] }>]>([
      ['control', () => queriesOf(CONTROL_PLANS, (db) => controlStore(db), controlSchema)],
      ['record', () => queriesOf(RECORD_PLANS, (db) => recordStore(db), recordSchema)],
    ])('are there of every query of the %s database', async (_name, queries) => {
      const { all, named } = await queries();
      expect(named).toEqual(all);
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
