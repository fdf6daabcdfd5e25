import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import * as z from 'zod';
import type { WranglerRun } from '../src/command.ts';

/**
 * A program that answers as wrangler 4.155.0 does, for an account that is a folder: `account.json`, and a database of SQLite
 * for each of D1. Texts of errors, outputs and exit codes are those that wrangler was seen to have, or that its source has.
 */
export interface StandInAccount {
  loggedIn: boolean;
  accounts: { id: string; name: string }[];
  /** Hostnames below these can be custom domains. */
  zones: string[];
  /** The most databases. */
  databaseLimit: number;
  databases: { name: string; uuid: string }[];
  workers: Record<string, StandInWorker>;
  /** What goes wrong, in this order, each the given number of times. */
  faults: { on: string; as: keyof typeof FAULTS; times: number; afterwards?: boolean }[];
  /** What changed the account. */
  log: string[];
}

interface StandInWorker {
  secrets: Record<string, string>;
  versions: { id: string; tag?: string; config: Record<string, unknown> }[];
  live: string;
}

export const emptyAccount = (): StandInAccount => ({
  loggedIn: true,
  accounts: [{ id: 'a'.repeat(32), name: 'Shop' }],
  zones: ['shop.test'],
  databaseLimit: 10,
  databases: [],
  workers: {},
  faults: [],
  log: [],
});

export const readAccount = (folder: string): StandInAccount =>
  JSON.parse(readFileSync(join(folder, 'account.json'), 'utf8'));

export function writeAccount(folder: string, account: StandInAccount): void {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, 'account.json');
  const text = JSON.stringify(account, null, 2);
  // Questions come at once, from several processes: they write nothing.
  if (!existsSync(path) || readFileSync(path, 'utf8') !== text) writeFileSync(path, text);
}

/** A database of the account, to look into. */
export const openDatabase = (folder: string, name: string): DatabaseSync =>
  new DatabaseSync(
    join(folder, `${readAccount(folder).databases.find((each) => each.name === name)?.uuid}.sqlite`),
  );

const error = (text: string): string =>
  `✘ [ERROR] ${text}\n\n\n🪵  Logs were written to "/logs/wrangler.log"\n`;
const apiError = (text: string): string =>
  error(`A request to the Cloudflare API (/accounts/a/workers) failed.\n\n  ${text}`);

/** What wrangler says on its error output. */
const FAULTS = {
  network: `▲ [WARNING] A fetch request failed, likely due to a connectivity issue.\n\n  Common causes:\n    - No internet connection or network connectivity problems\n\n${error('fetch failed')}`,
  forbidden: apiError('Authentication error [code: 10000]'),
  quota: apiError('You have exceeded the limit of 100 Workers on the free plan. [code: 10037]'),
  unavailable: apiError('An unknown error has occurred. [code: 10013]'),
  secret: apiError('Secret value is too large. [code: 10055]'),
  migration: apiError('table agents already exists: SQLITE_ERROR [code: 7500]'),
  garbled: '',
} as const;

class Failure extends Error {}

const Config = z.looseObject({
  name: z.string(),
  main: z.string(),
  account_id: z.string().optional(),
  d1_databases: z.array(
    z.object({
      binding: z.string(),
      database_id: z.string().optional(),
      migrations_dir: z.string().default('migrations'),
    }),
  ),
  services: z.array(z.object({ service: z.string() })).default([]),
  routes: z.array(z.object({ pattern: z.string() })).default([]),
  secrets: z.object({ required: z.array(z.string()) }).optional(),
});

/** Runs one command line. `project` is the folder in which wrangler runs, `folder` the account. */
export function standIn(project: string, folder: string, words: readonly string[], input = ''): WranglerRun {
  const account = readAccount(folder);
  const line = words.join(' ');
  const fault = account.faults.find(({ on, times }) => times > 0 && line.includes(on));
  if (fault !== undefined) {
    fault.times -= 1;
    if (fault.afterwards === true) answer(project, folder, account, words, input);
    writeAccount(folder, account);
    if (fault.as === 'garbled') return { code: 0, out: 'Done!\n', err: '' };
    return { code: 1, out: '', err: FAULTS[fault.as] };
  }
  try {
    const out = answer(project, folder, account, words, input);
    writeAccount(folder, account);
    return { code: 0, out, err: '' };
  } catch (failure) {
    if (!(failure instanceof Failure)) throw failure;
    writeAccount(folder, account);
    return { code: 1, out: failure.cause === undefined ? '' : String(failure.cause), err: failure.message };
  }
}

const optionOf = (words: readonly string[], name: string): string | undefined => {
  const at = words.indexOf(name);
  return at === -1 ? undefined : words[at + 1];
};

function answer(
  project: string,
  folder: string,
  account: StandInAccount,
  words: readonly string[],
  input: string,
): string {
  const [first = '', second = ''] = words;
  if (first === 'whoami') {
    if (!account.loggedIn) throw new Failure('', { cause: '\n{"loggedIn":false}\n' });
    return `${JSON.stringify({ loggedIn: true, authType: 'User API Token', accounts: account.accounts })}\n`;
  }
  const path = optionOf(words, '--config');
  if (path === undefined) throw new Error(`no --config: ${words.join(' ')}`);
  const text = readFileSync(join(project, path), 'utf8');
  const config = Config.parse(JSON.parse(text));
  const at = { project, folder, account, words, input, config, base: dirname(join(project, path)) };
  if (first === 'deploy' && words.includes('--dry-run')) return build(at);
  if (!account.loggedIn)
    throw new Failure(
      error(
        "In a non-interactive environment, it's necessary to set a CLOUDFLARE_API_TOKEN environment variable for wrangler to work.",
      ),
    );
  if (!account.accounts.some(({ id }) => id === config.account_id)) throw new Failure(FAULTS.forbidden);
  const command =
    COMMANDS[
      second.startsWith('-') || first === 'rollback' || first === 'deploy' ? first : `${first} ${second}`
    ];
  if (command === undefined) throw new Failure(error(`Unknown argument: ${words.join(' ')}`));
  return command(at);
}

interface At {
  readonly project: string;
  readonly folder: string;
  readonly account: StandInAccount;
  readonly words: readonly string[];
  readonly input: string;
  readonly config: z.infer<typeof Config>;
  readonly base: string;
}

function build({ project, words, config, base }: At): string {
  const main = join(base, config.main);
  if (!existsSync(main)) throw new Failure(error(`The entry-point file at "${config.main}" was not found.`));
  const outdir = join(project, optionOf(words, '--outdir') ?? 'dist');
  mkdirSync(outdir, { recursive: true });
  writeFileSync(join(outdir, 'index.js'), readFileSync(main));
  writeFileSync(join(outdir, 'README.md'), `built at ${Math.random()}`);
  return '--dry-run: exiting now.\n';
}

const workerOf = ({ account, config: { name } }: At): StandInWorker => {
  const worker = account.workers[name];
  if (worker === undefined)
    throw new Failure(apiError('This Worker does not exist on your account. [code: 10007]'));
  return worker;
};

const addVersion = (worker: StandInWorker, config: Record<string, unknown>, tag?: string): void => {
  const id = randomUUID();
  worker.versions.push({ id, ...(tag !== undefined && { tag }), config });
  worker.live = id;
};

function databaseOf({ folder, account, words, config }: At, binding: string | undefined): DatabaseSync {
  const id = config.d1_databases.find((each) => each.binding === binding)?.database_id;
  if (!account.databases.some(({ uuid }) => uuid === id) || !words.includes('--remote'))
    throw new Failure(apiError(`The database ${id} could not be found [code: 7404]`));
  return new DatabaseSync(join(folder, `${id}.sqlite`));
}

const COMMANDS: Readonly<Record<string, (at: At) => string>> = {
  'd1 list': ({ account }) =>
    JSON.stringify(account.databases.map((each) => ({ ...each, version: 'production' }))),
  'd1 create': ({ account, words, folder }) => {
    const name = words[2] ?? '';
    if (account.databases.some((each) => each.name === name))
      throw new Failure(error('A database with that name already exists'));
    if (account.databases.length >= account.databaseLimit)
      throw new Failure(error('You have reached the maximum number of D1 databases for your account.'));
    const uuid = randomUUID();
    account.databases.push({ name, uuid });
    account.log.push(`made ${name}`);
    new DatabaseSync(join(folder, `${uuid}.sqlite`)).close();
    return `✅ Successfully created DB '${name}' in region WEUR\nCreated your new D1 database.\n`;
  },
  'd1 execute': (at) => {
    const database = databaseOf(at, at.words[2]);
    try {
      const results = (optionOf(at.words, '--command') ?? '').split('; ').map((sql) => ({
        results: database.prepare(sql).all(),
        success: true,
        meta: {},
      }));
      if (/INSERT|UPDATE|DELETE/.test(at.words.join(' '))) at.account.log.push(`wrote ${at.words[2]}`);
      return JSON.stringify(results);
    } finally {
      database.close();
    }
  },
  'd1 migrations': (at) => {
    const binding = at.words[3] ?? '';
    const database = databaseOf(at, binding);
    const folder = join(
      at.base,
      at.config.d1_databases.find((each) => each.binding === binding)?.migrations_dir ?? '',
    );
    try {
      database.exec('CREATE TABLE IF NOT EXISTS d1_migrations (id INTEGER PRIMARY KEY, name TEXT UNIQUE)');
      const applied = database
        .prepare('SELECT name FROM d1_migrations')
        .all()
        .map(({ name }) => name);
      for (const file of readdirSync(folder)
        .filter((each) => each.endsWith('.sql'))
        .toSorted()) {
        if (applied.includes(file)) continue;
        try {
          database.exec(
            `BEGIN; ${readFileSync(join(folder, file), 'utf8')}; INSERT INTO d1_migrations (name) VALUES ('${file}'); COMMIT;`,
          );
        } catch (failure) {
          database.exec('ROLLBACK');
          const why = failure instanceof Error ? failure.message : '';
          throw new Failure(apiError(`${why}: SQLITE_ERROR [code: 7500]`));
        }
        at.account.log.push(`applied ${binding} ${file}`);
      }
    } finally {
      database.close();
    }
    return '';
  },
  'secret list': (at) => {
    const worker = at.account.workers[at.config.name];
    if (worker === undefined)
      throw new Failure(
        error(
          `Worker "${at.config.name}" not found.\n\nIf this is a new Worker, run \`wrangler deploy\` first to create it.`,
        ),
      );
    return JSON.stringify(Object.keys(worker.secrets).map((name) => ({ name, type: 'secret_text' })));
  },
  'secret bulk': (at) => {
    const values = z.record(z.string(), z.string()).parse(JSON.parse(at.input));
    const { name } = at.config;
    at.account.workers[name] ??= { secrets: {}, versions: [], live: '' };
    const worker = workerOf(at);
    if (worker.versions.length === 0) addVersion(worker, {});
    const refused = at.account.faults.find(({ on, times }) => on === 'value of secret' && times > 0);
    if (refused !== undefined) {
      refused.times -= 1;
      throw new Failure(FAULTS.secret.replace('Secret value', `Secret value ${Object.values(values)[0]}`));
    }
    Object.assign(worker.secrets, values);
    addVersion(worker, worker.versions.at(-1)?.config ?? {});
    at.account.log.push(`set ${name} ${Object.keys(values).join(' ')}`);
    return '✨ secrets successfully created\n';
  },
  delete: (at) => {
    workerOf(at);
    delete at.account.workers[at.config.name];
    at.account.log.push(`deleted ${at.config.name}`);
    return 'Successfully deleted\n';
  },
  'deployments status': (at) =>
    JSON.stringify({ id: randomUUID(), versions: [{ version_id: workerOf(at).live, percentage: 100 }] }),
  'versions view': (at) => {
    const version = workerOf(at).versions.find(({ id }) => id === at.words[2]);
    if (version === undefined) throw new Failure(apiError('Version not found. [code: 10061]'));
    return JSON.stringify({ id: version.id, annotations: { 'workers/tag': version.tag }, metadata: {} });
  },
  deploy: (at) => {
    const { account, config, words } = at;
    const existing = account.workers[config.name];
    const missing = (config.secrets?.required ?? []).filter((name) => existing?.secrets[name] === undefined);
    if (missing.length > 0)
      throw new Failure(error(`The following required secrets have not been set: ${missing.join(', ')}`));
    for (const { service } of config.services)
      if (account.workers[service] === undefined)
        throw new Failure(
          apiError(`Could not resolve service binding. Target script '${service}' not found. [code: 10143]`),
        );
    for (const { binding } of config.d1_databases)
      databaseOf({ ...at, words: ['--remote'] }, binding).close();
    const worker = existing ?? { secrets: {}, versions: [], live: '' };
    account.workers[config.name] = worker;
    addVersion(worker, config, optionOf(words, '--tag'));
    account.log.push(`deployed ${config.name}`);
    // The version is live already when hostnames are assigned.
    for (const { pattern } of config.routes)
      if (!account.zones.some((zone) => pattern === zone || pattern.endsWith(`.${zone}`)))
        throw new Failure(
          error(
            `Could not find zone for \`${pattern}\`. Make sure the domain is set up to be proxied by Cloudflare.`,
          ),
        );
    return `Current Version ID: ${worker.live}\n`;
  },
  rollback: (at) => {
    const worker = workerOf(at);
    const [, id = ''] = at.words;
    if (!worker.versions.some((each) => each.id === id))
      throw new Failure(apiError('Version not found. [code: 10061]'));
    worker.live = id;
    at.account.log.push(`rolled back ${at.config.name}`);
    return `Current Version ID: ${id}\n`;
  },
};
