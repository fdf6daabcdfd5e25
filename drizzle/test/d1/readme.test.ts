import { env } from 'cloudflare:workers';
import { getTableColumns, getTableName } from 'drizzle-orm';
import { describe, expect, it } from 'vitest';
import { objectRateStore } from '../../object/rates.ts';
import readme from '../../README.md?raw';
import { CONTROL_TABLES, RECORD_TABLES } from '../suite/databases.ts';
import { inObject } from './object.ts';
import { openD1 } from './open.ts';

type Row = Readonly<Record<string, unknown>>;

/** The README's part on one folder: the names in its table, and an example row of each. */
function said(folder: string): { names: string[]; rows: Readonly<Record<string, Row>> } {
  const section = readme.split(/^## /m).find((part) => part.startsWith(`\`${folder}/\``)) ?? '';
  const names = [...section.matchAll(/^\| `(\w+)` \|/gm)].map(([, name = '']) => name);
  return { names, rows: JSON.parse(/```json\n(.*?)```/s.exec(section)?.[1] ?? '{}') };
}

const columnsSaid = (rows: Readonly<Record<string, Row>>) =>
  Object.fromEntries(Object.entries(rows).map(([name, row]) => [name, Object.keys(row)]));

/** An example row as a statement; what rests as JSON is shown as what it says. */
const insertOf = (name: string, row: Row) => ({
  text: `INSERT INTO ${name} VALUES (${Object.keys(row)
    .map(() => '?')
    .join(', ')})`,
  values: Object.values(row).map((value) =>
    typeof value === 'string' || typeof value === 'number' || value === null ? value : JSON.stringify(value),
  ),
});

const FOLDERS = [
  { folder: 'control', tables: CONTROL_TABLES, binding: () => env.CONTROL },
  { folder: 'record', tables: RECORD_TABLES, binding: () => env.RECORD },
] as const;

describe('the README', () => {
  it.each(FOLDERS)(
    'names every table and column of $folder/, and shows rows that it takes',
    async ({ folder, tables, binding }) => {
      const { names, rows } = said(folder);
      expect(names).toEqual(Object.keys(rows));
      expect(columnsSaid(rows)).toEqual(
        Object.fromEntries(
          tables.map((table) => [
            getTableName(table),
            Object.values(getTableColumns(table)).map(({ name }) => name),
          ]),
        ),
      );
      await openD1();
      const statements = Object.entries(rows).map(([name, row]) => {
        const { text, values } = insertOf(name, row);
        return binding()
          .prepare(text)
          .bind(...values);
      });
      const results = await binding().batch(statements);
      expect(results).toHaveLength(names.length);
    },
  );

  it('names every table and column of object/, and shows rows that it takes', () =>
    inObject((sql) => {
      objectRateStore(sql);
      const { names, rows } = said('object');
      expect(names).toEqual(Object.keys(rows));
      const tables = sql
        .exec<{ name: string }>(
          "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_cf%' ESCAPE '\\'",
        )
        .toArray()
        .map(({ name }) => name);
      const columnsOf = (table: string) =>
        sql
          .exec<{ name: string }>('SELECT name FROM pragma_table_info(?)', table)
          .toArray()
          .map(({ name }) => name);
      expect(columnsSaid(rows)).toEqual(Object.fromEntries(tables.map((table) => [table, columnsOf(table)])));
      for (const [name, row] of Object.entries(rows)) {
        const { text, values } = insertOf(name, row);
        sql.exec(text, ...values);
      }
    }));
});
