import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Client, createClient } from '@libsql/client';
import {
  type DrizzleSQLiteSnapshotJSON,
  generateSQLiteDrizzleJson,
  generateSQLiteMigration,
} from 'drizzle-kit/api';
import { sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/libsql';
import { describe, expect, it, onTestFinished } from 'vitest';
import * as control from '../../control/schema.ts';
import { openControl, openRecord } from '../../open-libsql.ts';
import * as record from '../../record/schema.ts';
import { temporaryFolder } from './folder.ts';

const DATABASES = [
  { name: 'control', schema: control, open: openControl },
  { name: 'record', schema: record, open: openRecord },
] as const;
const folder = temporaryFolder();

const readJson = <T>(database: string, file: string): T =>
  JSON.parse(readFileSync(join(import.meta.dirname, '../..', database, 'migrations/meta', file), 'utf8'));
const journal = (name: string) =>
  readJson<{ entries: { idx: number; tag: string }[] }>(name, '_journal.json').entries;
const numbered = (idx: number): string => String(idx).padStart(4, '0');

function connect(file: string): Client {
  const client = createClient({ url: `file:${folder}/${file}` });
  onTestFinished(() => client.close());
  return client;
}

/** Everything that a schema says of its tables, however it came to be; the migrators' own tables left out. */
async function structureOf(client: Client): Promise<unknown> {
  const about = async (pragma: string, of: string) =>
    (await client.execute({ sql: `SELECT * FROM pragma_${pragma}(?)`, args: [of] })).rows;
  const { rows } = await client.execute(
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name",
  );
  const tables = rows.map((row) => String(row.name));
  return Promise.all(
    tables.map(async (table) => ({
      table,
      columns: await about('table_xinfo', table),
      references: await about('foreign_key_list', table),
      indexes: await Promise.all(
        (await about('index_list', table))
          .map(({ seq: _order, ...index }) => index)
          .sort((a, b) => String(a.name).localeCompare(String(b.name)))
          .map(async (index) => ({
            ...index,
            parts: await about('index_xinfo', String(index.name)),
            where: await whereOf(client, String(index.name)),
          })),
      ),
    })),
  );
}

async function whereOf(client: Client, index: string): Promise<string | undefined> {
  const found = await client.execute({ sql: 'SELECT sql FROM sqlite_master WHERE name = ?', args: [index] });
  return /\bWHERE .*/is.exec(String(found.rows[0]?.sql))?.[0];
}

describe.each(DATABASES)('migrations of the $name database', ({ name, schema, open }) => {
  it('say the same as the schema: there is nothing left to generate', async () => {
    const last = journal(name).at(-1);
    const committed = readJson<DrizzleSQLiteSnapshotJSON>(name, `${numbered(last?.idx ?? 0)}_snapshot.json`);
    const wanted = await generateSQLiteDrizzleJson(schema, committed.id);
    expect(await generateSQLiteMigration(committed, wanted)).toEqual([]);
  });

  it('make the very tables and indexes of the schema', async () => {
    await (await open(`file:${folder}/${name}-migrated.db`)).close();
    const fresh = connect(`${name}-fresh.db`);
    const statements = await generateSQLiteMigration(
      await generateSQLiteDrizzleJson({}),
      await generateSQLiteDrizzleJson(schema),
    );
    for (const statement of statements) await fresh.execute(statement);
    const migrated = await structureOf(connect(`${name}-migrated.db`));
    expect(migrated).toEqual(await structureOf(fresh));
  });

  it('are numbered without a gap, each with its file and its snapshot on top of the one before', () => {
    const entries = journal(name);
    expect(entries.map(({ idx }) => idx)).toEqual(entries.map((_, index) => index));
    let before = '00000000-0000-0000-0000-000000000000';
    for (const { idx, tag } of entries) {
      const { id, prevId } = readJson<DrizzleSQLiteSnapshotJSON>(name, `${numbered(idx)}_snapshot.json`);
      expect(prevId).toBe(before);
      before = id;
      expect(tag.startsWith(numbered(idx))).toBe(true);
      expect(
        readFileSync(join(import.meta.dirname, '../..', name, `migrations/${tag}.sql`), 'utf8'),
      ).not.toBe('');
    }
  });

  it('do nothing the second time: what is in the database stays', async () => {
    const url = `file:${folder}/${name}-twice.db`;
    const first = await open(url);
    await first.close();
    const own = drizzle(connect(`${name}-twice.db`));
    await own.run(sql`CREATE TABLE keepsake AS SELECT 1 AS kept`);
    const before = await structureOf(connect(`${name}-twice.db`));
    const second = await open(url);
    onTestFinished(() => second.close());
    expect(await own.all(sql`SELECT kept FROM keepsake`)).toEqual([{ kept: 1 }]);
    expect(await own.all(sql`SELECT count(*) AS n FROM __drizzle_migrations`)).toEqual([
      { n: journal(name).length },
    ]);
    expect(await structureOf(connect(`${name}-twice.db`))).toEqual(before);
  });

  it('leave a file on which reading and writing do not wait for each other', async () => {
    await (await open(`file:${folder}/${name}-wal.db`)).close();
    expect(await drizzle(connect(`${name}-wal.db`)).all(sql`PRAGMA journal_mode`)).toEqual([
      { journal_mode: 'wal' },
    ]);
  });
});
