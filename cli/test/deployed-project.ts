import { readdirSync } from 'node:fs';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseJson } from '@agent-ticket/shared/parse-json.ts';
import { onTestFinished } from 'vitest';
import { experimental_readRawConfig, unstable_readConfig } from 'wrangler';
import * as z from 'zod';
import type { Terminal } from '../src/command.ts';
import { openProject } from '../src/open-project.ts';
import { run } from '../src/run.ts';
import {
  emptyAccount,
  readAccount,
  type StandInAccount,
  standIn,
  writeAccount,
} from './cloudflare-stand-in.ts';
import { terminalWith } from './terminal.ts';

const ROOT = join(import.meta.dirname, '../..');

const APP = {
  name: 'shop',
  main: 'index.ts',
  compatibility_date: '2026-08-01',
  workers_dev: false,
  observability: { enabled: true, redact_query_string: true },
  durable_objects: { bindings: [{ name: 'COUNTER', class_name: 'Counter' }] },
  migrations: [{ tag: 'v1', new_sqlite_classes: ['Counter'] }],
  d1_databases: [{ binding: 'RECORD', database_id: '00000000-0000-0000-0000-000000000002' }],
  vars: { GREETING: 'hello' },
};

/**
 * A folder with an app, and a broker beside it as `agent-ticket init` writes one, with the migrations of this repository; and
 * an account beside it.
 */
async function makeProject() {
  const folder = await mkdtemp(join(tmpdir(), 'agent-ticket-deploy-'));
  const account = join(folder, 'account');
  writeAccount(account, emptyAccount());
  const project = openProject(folder);
  await project.write('wrangler.jsonc', JSON.stringify(APP));
  await project.write('index.ts', 'export class Counter {}\nexport default {};\n');
  const { terminal } = terminalWith({
    readWorker: async () => ({ ...APP, configPath: join(folder, 'wrangler.jsonc') }),
    createFiles: async (files) => {
      for (const { path, text } of files) await project.write(path, text);
      return [];
    },
  });
  await run(['init'], terminal);
  await project.write('broker/index.ts', 'export class MintShardObject {}\nexport default {};\n');
  await project.write('broker/node_modules/@agent-ticket/broker/console/console.html', '<p>console</p>');
  for (const database of ['control', 'record'])
    await cp(
      join(ROOT, 'drizzle', database, 'migrations'),
      join(folder, 'broker/node_modules/@agent-ticket/broker', database, 'migrations'),
      { recursive: true },
    );
  return { folder, account };
}

/** A process in a project. Files of the user's configuration are in memory, and outlive a run. */
function terminalIn(
  { folder, account }: { readonly folder: string; readonly account: string },
  given: Partial<Terminal> = {},
) {
  const wrangled: { readonly words: readonly string[]; readonly input: string | undefined }[] = [];
  const kept = new Map<string, string>();
  let random = 0;
  const open = (more: Partial<Terminal> = {}) =>
    terminalWith({
      project: openProject(folder),
      readRawWorker: async (path) => experimental_readRawConfig({ config: join(folder, path) }).rawConfig,
      readWorker: async (path) =>
        unstable_readConfig({ config: join(folder, path ?? 'wrangler.jsonc') }, { hideWarnings: true }),
      runWrangler: async (words, input) => {
        wrangled.push({ words, input });
        return standIn(folder, account, words, input);
      },
      readPrivate: async (name) => kept.get(name),
      lockPrivate: (_name, work) => work(),
      writePrivate: async (name, text) => {
        kept.set(name, text);
        return `/config/${name}`;
      },
      randomBytes: (length) => {
        random += 1;
        return new Uint8Array(length).fill(random);
      },
      // The addresses of the account, as far as the network is up.
      fetch: async (request) => answerOf(account, String(request)),
      ...given,
      ...more,
    });
  return { open, wrangled, kept };
}

const Routes = z.object({ routes: z.array(z.object({ pattern: z.string() })) });

/** A deployed broker with its secrets is ready, and offers no agent. */
function answerOf(account: string, address: string): Response {
  const url = new URL(address);
  const worker = Object.values(readAccount(account).workers).find(({ versions, live }) =>
    Routes.safeParse(versions.find(({ id }) => id === live)?.config).data?.routes.some(
      ({ pattern }) => pattern === url.hostname,
    ),
  );
  if (worker === undefined) throw new TypeError('fetch failed');
  if (url.pathname === '/readyz')
    return Response.json({ status: worker.secrets.KEK === undefined ? 'no' : 'ready' });
  if (url.pathname === '/api/agents') return Response.json({ items: [], next_cursor: null });
  return Response.json({}, { status: 404 });
}

/** The file that a deployment wrote for a worker. */
export const generated = async (folder: string, path: string): Promise<Record<string, unknown>> =>
  z.record(z.string(), z.unknown()).parse(parseJson((await openProject(folder).read(path)) ?? ''));

export const addMigration = (folder: string, database: string, sql: string): Promise<void> =>
  openProject(folder).write(
    `broker/node_modules/@agent-ticket/broker/${database}/migrations/9999_more.sql`,
    sql,
  );

export const WORDS = [
  'deploy',
  '--broker',
  'https://tickets.shop.test',
  '--agents',
  'https://agents.shop.test',
];

const appliedTo = (database: 'control' | 'record'): string[] =>
  readdirSync(join(ROOT, 'drizzle', database, 'migrations'))
    .filter((file) => file.endsWith('.sql'))
    .sort()
    .map((file) => `applied ${database.toUpperCase()} ${file}`);

/** What the first run changes in the account, in its order. */
export const FIRST_RUN = [
  'made shop-control',
  'made shop-record',
  ...appliedTo('control'),
  ...appliedTo('record'),
  'set shop-broker KEK TOKEN_PEPPER',
  'deployed shop-broker',
  'set shop CALLBACK_KEY',
  'deployed shop',
  'wrote CONTROL',
];

/** A project and an account until the end of the test, and runs of the command in it. */
export async function start(given: Partial<Terminal> = {}) {
  const made = await makeProject();
  onTestFinished(() => rm(made.folder, { recursive: true }));
  const at = terminalIn(made, given);
  return {
    ...made,
    ...at,
    write: openProject(made.folder).write,
    readFile: openProject(made.folder).read,
    read: () => readAccount(made.account),
    /** Changes the account as another person would. */
    meddle(change: (account: StandInAccount) => void) {
      const account = readAccount(made.account);
      change(account);
      writeAccount(made.account, account);
    },
    async deploy(words: readonly string[] = [...WORDS, '--yes'], more: Partial<Terminal> = {}) {
      const { terminal, said } = at.open(more);
      return { code: await run(words, terminal), ...said };
    },
  };
}
