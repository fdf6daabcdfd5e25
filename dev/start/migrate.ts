import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { D1Database } from '@cloudflare/workers-types';

/** The table by which wrangler counts applied migrations, so that its commands see what was done here. */
const TRACKING = `CREATE TABLE IF NOT EXISTS d1_migrations (
  id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL)`;

/** Brings a local D1 database to the newest schema; each migration is applied whole or not at all. */
export async function migrate(db: D1Database, room: 'control' | 'record'): Promise<void> {
  const folder = fileURLToPath(new URL(`../../drizzle/${room}/migrations/`, import.meta.url));
  await db.prepare(TRACKING).run();
  const applied = await db.prepare('SELECT name FROM d1_migrations').all<{ name: string }>();
  const done = new Set(applied.results.map((row) => row.name));
  const files = (await readdir(folder)).filter((file) => file.endsWith('.sql') && !done.has(file)).sort();
  for (const file of files) {
    const statements = (await readFile(folder + file, 'utf8')).split('--> statement-breakpoint');
    await db.batch([
      ...statements.map((statement) => db.prepare(statement)),
      db.prepare('INSERT INTO d1_migrations (name) VALUES (?)').bind(file),
    ]);
  }
}
