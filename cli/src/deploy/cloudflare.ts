import { parseJson } from '@agent-ticket/shared/parse-json.ts';
import * as z from 'zod';
import { plain } from '../api/plain-text.ts';
import { type Row, type Terminal, UsageError, type WranglerRun } from '../command.ts';

/**
 * Everything that a deployment asks of Cloudflare, each a run of wrangler: arguments as a list, secrets by the standard
 * input, answers as the JSON of wrangler where it has that. `config` is a configuration file, which names account,
 * worker and databases. Each rejects with a `UsageError` that has the reason of wrangler and a remedy.
 */
export interface Cloudflare {
  accounts(): Promise<readonly Account[]>;
  /** All of the account, id by name. */
  databases(config: string): Promise<ReadonlyMap<string, string>>;
  createDatabase(config: string, name: string): Promise<void>;
  /** Rows of the last statement. */
  query(config: string, binding: string, sql: string, where?: 'remote' | 'local'): Promise<readonly Row[]>;
  migrate(config: string, binding: string): Promise<void>;
  /** Undefined where there is no such worker. */
  secretNames(config: string): Promise<readonly string[] | undefined>;
  /** Makes the worker, without code, where there is none. */
  setSecrets(config: string, values: Readonly<Record<string, string>>): Promise<void>;
  /** Deletes a worker. Only for one that was made a moment ago and has neither code nor data. */
  deleteWorker(config: string): Promise<void>;
  /** The version that has all traffic; undefined where there is no worker, or several versions share the traffic. */
  liveVersion(config: string): Promise<Version | undefined>;
  /** Builds into a folder, and uploads nothing. */
  build(config: string, folder: string): Promise<void>;
  deploy(config: string, tag: string): Promise<void>;
  rollback(config: string, version: string): Promise<void>;
}

export interface Account {
  readonly id: string;
  readonly name: string;
}

export interface Version {
  readonly id: string;
  readonly tag: string | undefined;
}

interface Fault {
  /** For programs. */
  readonly code: string;
  /** The command, where others mean something else by the same text. */
  readonly of?: string;
  readonly said: RegExp;
  readonly remedy: string;
}

/** Faults that wrangler reports, with what to do. The first that fits counts. */
const FAULTS: readonly Fault[] = [
  {
    code: 'NOT_LOGGED_IN',
    said: /"loggedIn":\s*false|not logged in|necessary to set a CLOUDFLARE_API_TOKEN/i,
    remedy: 'Log in by npx wrangler login, or set CLOUDFLARE_API_TOKEN.',
  },
  {
    code: 'NO_NETWORK',
    said: /fetch failed|connectivity issue|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT/,
    remedy: 'Cloudflare was not reached. Check the network.',
  },
  {
    code: 'FORBIDDEN',
    said: /\[code: (10000|9109|9103)\]|authentication error|not authorized|permission/i,
    remedy:
      'The login may not do this. An API token needs, for this account, the permissions Workers Scripts: Edit and D1: Edit, and for the zone Workers Routes: Edit.',
  },
  {
    code: 'QUOTA',
    said: /maximum number of|exceeded the limit|\[code: (7406|10037)\]|quota/i,
    remedy: 'The account has no room for it. Delete one that is not used, or take a larger plan.',
  },
  {
    code: 'NAME_TAKEN',
    of: 'd1 create',
    said: /already exists|already been taken|\[code: 7502\]/i,
    remedy: 'Another run has made it. Repeat the command.',
  },
  {
    code: 'MIGRATION',
    of: 'd1 migrations apply',
    said: /SQLITE_|\[code: 75\d\d\]/,
    remedy:
      'This migration changed nothing, and those before it stay. A database that something else has changed is not repaired here.',
  },
  {
    code: 'NO_ZONE',
    said: /could not find zone|zone.*not found/i,
    remedy: 'The hostname belongs to no zone of this account. Add the zone, or name another address.',
  },
];

/** What wrangler says of a worker that was never deployed. */
const NO_WORKER = /\[code: 10007\]|Worker ".*" not found|has no deployments|does not exist on your account/i;

const Accounts = z.object({ accounts: z.array(z.object({ id: z.string(), name: z.string() })) });
const Databases = z.array(z.object({ name: z.string(), uuid: z.string() }));
const Results = z.array(z.object({ results: z.array(z.looseObject({})) }));
const Secrets = z.array(z.object({ name: z.string() }));
const Deployment = z.object({
  versions: z.array(z.object({ version_id: z.string(), percentage: z.number() })),
});
const VersionView = z.object({
  annotations: z.object({ 'workers/tag': z.string().optional() }).nullish(),
});

export function openCloudflare(runWrangler: Terminal['runWrangler']): Cloudflare {
  const run = async (words: readonly string[], input?: string): Promise<string> => {
    const ended = await runWrangler(words, input);
    if (ended.code === 0) return ended.out;
    throw faultOf(words, ended);
  };
  const ask = async <T>(shape: z.ZodType<T>, words: readonly string[]): Promise<T> =>
    parsed(shape, words, await run(words));
  /** Undefined where there is no such worker. */
  const askOfWorker = async <T>(shape: z.ZodType<T>, words: readonly string[]): Promise<T | undefined> => {
    const ended = await runWrangler(words);
    if (ended.code === 0) return parsed(shape, words, ended.out);
    if (NO_WORKER.test(ended.out + ended.err)) return undefined;
    throw faultOf(words, ended);
  };
  return {
    accounts: async () => (await ask(Accounts, ['whoami', '--json'])).accounts,
    async databases(config) {
      const all = await ask(Databases, ['d1', 'list', '--json', '--config', config]);
      return new Map(all.map(({ name, uuid }) => [name, uuid]));
    },
    async createDatabase(config, name) {
      await run(['d1', 'create', name, '--config', config, '--update-config=false']);
    },
    async query(config, binding, sql, where = 'remote') {
      const words = ['--config', config, `--${where}`, '--json', '--yes', '--command', sql];
      const results = await ask(Results, ['d1', 'execute', binding, ...words]);
      return results.at(-1)?.results ?? [];
    },
    async migrate(config, binding) {
      await run(['d1', 'migrations', 'apply', binding, '--remote', '--config', config]);
    },
    async secretNames(config) {
      const words = ['secret', 'list', '--format', 'json', '--config', config];
      return (await askOfWorker(Secrets, words))?.map(({ name }) => name);
    },
    async setSecrets(config, values) {
      const words = ['secret', 'bulk', '--config', config];
      const ended = await runWrangler(words, JSON.stringify(values));
      if (ended.code !== 0) throw faultOf(words, ended, Object.values(values));
    },
    async deleteWorker(config) {
      await run(['delete', '--force', '--config', config]);
    },
    async liveVersion(config) {
      const live = await askOfWorker(Deployment, ['deployments', 'status', '--json', '--config', config]);
      const [only, ...others] = live?.versions ?? [];
      if (only === undefined || others.length > 0) return undefined;
      const id = only.version_id;
      const view = await ask(VersionView, ['versions', 'view', id, '--json', '--config', config]);
      return { id, tag: view.annotations?.['workers/tag'] };
    },
    async build(config, folder) {
      await run(['deploy', '--dry-run', '--outdir', folder, '--config', config]);
    },
    async deploy(config, tag) {
      await run(['deploy', '--tag', tag, '--message', 'agent-ticket deploy', '--config', config]);
    },
    async rollback(config, version) {
      const why = ['--message', 'agent-ticket deploy: the step after it failed', '--yes'];
      await run(['rollback', version, ...why, '--config', config]);
    },
  };
}

function parsed<T>(shape: z.ZodType<T>, words: readonly string[], output: string): T {
  // Notices of wrangler may come before the JSON.
  const read = shape.safeParse(parseJson(output.slice(Math.max(0, output.search(/^[[{]/m)))));
  if (read.success) return read.data;
  throw new UsageError(
    `wrangler ${nameOf(words)} answered in a form that is not known here. Install another release: npm install --save-dev wrangler@4 agent-ticket`,
    { code: 'UNKNOWN_ANSWER' },
  );
}

const MOST_SAID = 600;

function faultOf(words: readonly string[], { code, out, err }: WranglerRun, secrets: readonly string[] = []) {
  const name = nameOf(words);
  const known = FAULTS.find(({ of = name, said }) => of === name && said.test(`${err}\n${out}`));
  const shown = secrets.reduce(
    (text, secret) => text.replaceAll(secret, '***'),
    reasonIn(err.trim() === '' ? out : err),
  );
  // Of `whoami` it is JSON.
  const reason = shown === '' || shown.startsWith('{') ? `it ended with ${code ?? 'a signal'}` : plain(shown);
  return new UsageError(
    [
      `wrangler ${name}: ${reason.replace(/[.…]?$/, (end) => end || '.')}`,
      ...(known === undefined ? [] : [known.remedy]),
    ].join(' '),
    { code: known?.code ?? 'WRANGLER' },
  );
}

/** `d1 create`: what was run, without names and without SQL. */
const nameOf = (words: readonly string[]): string =>
  words
    .slice(0, words[0] === 'd1' || words[0] === 'secret' ? (words[1] === 'migrations' ? 3 : 2) : 1)
    .join(' ');

/** The message in the output of a run that failed, on one line, without colours, places of logs and offers. */
function reasonIn(output: string): string {
  const lines = output
    // biome-ignore lint/suspicious/noControlCharactersInRegex: ANSI colours begin with one.
    .replace(/\u001b\[[\d;]*m/g, '')
    .split('\n')
    .map((line) => line.trim())
    .filter(
      (line) =>
        line !== '' &&
        !/^(🪵|If you think this is a bug|Note that there is a newer|To continue without)/u.test(line),
    );
  const first = lines.findIndex((line) => /^✘ \[ERROR\]/.test(line));
  const said = (first === -1 ? lines : lines.slice(first)).join(' ').replaceAll('✘ [ERROR] ', '');
  return said.length > MOST_SAID ? `${said.slice(0, MOST_SAID)}…` : said;
}
