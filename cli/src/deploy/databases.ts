import * as z from 'zod';
import { type Project, UsageError } from '../command.ts';
import type { Cloudflare } from './cloudflare.ts';
import { dirname, join, type Source } from './configuration.ts';
import type { Sealed } from './secrets.ts';

/** Migrations of a database. */
export interface Migrations {
  /** Not applied yet, in their order. */
  readonly pending: readonly string[];
}

interface DatabaseFacts extends Migrations {
  readonly tables: readonly string[];
}

interface Database {
  readonly binding: string;
  /** Undefined where it is not made yet. */
  readonly id: string | undefined;
  readonly name: string;
  /** The configuration that binds it. */
  readonly config: string;
}

const Name = z.object({ name: z.string() });

/** Compares a database with the migrations of the project. Rejects where it has one that the project lacks. */
export async function readDatabase(
  { binding, id, name, config }: Database,
  { path, raw }: Source,
  cloudflare: Cloudflare,
  project: Project,
): Promise<DatabaseFacts> {
  const folder = raw.d1_databases.find((each) => each.binding === binding)?.migrations_dir ?? 'migrations';
  const files = (await project.list(join(dirname(path), folder))).filter((file) => file.endsWith('.sql'));
  if (files.length === 0)
    throw new UsageError(
      `${join(dirname(path), folder)} has no migrations of ${binding}. Install the broker: npm install --prefix ${dirname(path)} @agent-ticket/broker`,
    );
  if (id === undefined) return { pending: files, tables: [] };
  const names = async (sql: string) =>
    (await cloudflare.query(config, binding, sql)).map((row) => Name.parse(row).name);
  const tables = await names("SELECT name FROM sqlite_master WHERE type = 'table'");
  const applied = tables.includes('d1_migrations') ? await names('SELECT name FROM d1_migrations') : [];
  const [newer] = applied.filter((file) => !files.includes(file));
  if (newer !== undefined)
    throw new UsageError(
      `${name} has the migration ${newer}, which this version does not have: a newer version deployed it. Deploy that one, or a newer one.`,
      { code: 'NEWER_SCHEMA' },
    );
  return { pending: files.filter((file) => !applied.includes(file)), tables };
}

/** Of a database without tables. */
export const NO_ROWS = { keys: 0, tokens: 0, operators: 0 };
const SealedRow = z.object({ keys: z.number(), tokens: z.number(), operators: z.number() });

/** Tables that are not there have no rows. */
export async function readSealed(
  config: string,
  tables: readonly string[],
  cloudflare: Cloudflare,
): Promise<Sealed & { readonly operators: number }> {
  const count = (table: string, where = ''): string =>
    tables.includes(table) ? `(SELECT count(*) FROM ${table}${where})` : '0';
  const operators = count(
    'service_tokens',
    ` WHERE revoked_at IS NULL AND permissions LIKE '%"service-tokens:write"%'`,
  );
  const [row] = await cloudflare.query(
    config,
    'CONTROL',
    `SELECT ${count('signing_keys')} AS keys, ${count('service_token_secrets')} AS tokens, ${operators} AS operators`,
  );
  return SealedRow.parse(row);
}
