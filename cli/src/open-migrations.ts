import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { D1Database } from '@cloudflare/workers-types';

/** The table in which wrangler records applied migrations, so that its commands see those applied here. */
const TRACKING = `CREATE TABLE IF NOT EXISTS d1_migrations (
  id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL)`;

/** Applies the migrations of a folder that a local D1 database lacks; each is applied whole or not at all. */
export async function migrateD1(db: D1Database, folder: string): Promise<void> {
  await db.prepare(TRACKING).run();
  const applied = await db.prepare('SELECT name FROM d1_migrations').all<{ name: string }>();
  const names = new Set(applied.results.map((row) => row.name));
  const files = (await readdir(folder)).filter((file) => file.endsWith('.sql') && !names.has(file)).sort();
  for (const file of files) {
    const statements = (await readFile(join(folder, file), 'utf8')).split('--> statement-breakpoint');
    await db.batch([
      ...statements.map((statement) => db.prepare(statement)),
      db.prepare('INSERT INTO d1_migrations (name) VALUES (?)').bind(file),
    ]);
  }
}
