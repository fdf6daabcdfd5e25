import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { openControl } from '@agent-ticket/drizzle/control/open-d1.ts';
import { type DevSecrets, makeSecrets } from 'agent-ticket/src/open-secrets.ts';
import * as z from 'zod';
import { quietEnvironment, ROOT } from '../../quiet-environment.ts';
import { seed } from '../../start/seed.ts';
import { restartWorkers, startWorkers, type WorkersOptions } from '../../start/workers.ts';
import { blocksOf } from '../documents.ts';
import { freePorts } from '../free-ports.ts';

/** An app with agent, gate and broker in one worker and one database: the files of docs/deploy/one-worker.md, as they are there. */

const DOCUMENT = 'docs/deploy/one-worker.md';

/** Nobody answers at these addresses: what arrives all the same does not go over the network. */
const ADDRESSES = {
  ISSUER: 'https://app.example.com/broker',
  AGENT_WORKER_URL: 'https://app.example.com',
  TICKET_AUDIENCE: 'app.example.com',
  ALLOWED_ORIGINS: 'https://app.example.com',
  // The same port by another name.
  BASE_URL: 'https://localhost',
  CF_ACCESS_TEAM_DOMAIN: 'team.example.com',
  CF_ACCESS_AUD: 'a'.repeat(64),
  // Of the gate alone.
  TICKET_REPLAY: 'end-session',
};

const block = async (language: string): Promise<string> => {
  const found = (await blocksOf(DOCUMENT)).find((each) => each.language === language);
  if (found === undefined) throw new Error(`${DOCUMENT} has no block of ${language}`);
  return found.text;
};

export async function startOneWorker() {
  const folder = await mkdtemp(join(tmpdir(), 'agent-ticket-one-worker-'));
  const port = (await freePorts()).agentWorker;
  const entry = await block('ts');
  await mkdir(join(folder, 'src'));
  await symlink(`${ROOT}node_modules`, join(folder, 'node_modules'));
  await writeFile(join(folder, 'src/index.ts'), entry);
  // An installed package has its migrations inside; here they are where they are written.
  const configuration = (await block('jsonc')).replaceAll(
    'node_modules/@agent-ticket/broker/',
    `${ROOT}drizzle/`,
  );
  await writeFile(join(folder, 'wrangler.jsonc'), configuration);
  const wrangler = (...args: string[]) =>
    promisify(execFile)('wrangler', args, { cwd: folder, env: quietEnvironment(process.env) });

  await wrangler('deploy', '--dry-run', '--outdir', 'dist');
  for (const binding of ['CONTROL', 'RECORD'])
    await wrangler('d1', 'migrations', 'apply', binding, '--local', '--persist-to', 'state');

  const lines: string[] = [];
  const options = (secrets: DevSecrets, more: Readonly<Record<string, string>> = {}): WorkersOptions => ({
    stateDir: join(folder, 'state/v3'),
    onLog: (line) => lines.push(line),
    workers: [
      {
        name: 'app',
        folder,
        port,
        settings: {
          ...ADDRESSES,
          KEK: secrets.keyEncryptionKey,
          TOKEN_PEPPER: secrets.tokenPepper,
          ...more,
        },
      },
    ],
  });
  const secrets = makeSecrets();
  const workers = await startWorkers(options(secrets));
  const database = () => workers.getD1Database('CONTROL', 'app');
  await seed(openControl(await database()), secrets, Date.now());

  const app = `http://127.0.0.1:${port}`;
  const ask = (
    path: string,
    who: { readonly clientSecret: string } | undefined,
    init: { readonly method?: string; readonly json?: object } = {},
  ) =>
    fetch(`${app}${path}`, {
      method: init.method ?? (init.json === undefined ? 'GET' : 'POST'),
      headers: {
        ...(who === undefined ? {} : { authorization: `Bearer ${who.clientSecret}` }),
        ...(init.json === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(init.json === undefined ? {} : { body: JSON.stringify(init.json) }),
    });

  return {
    entry,
    secrets,
    app,
    /** The hostname that is the broker's own. */
    own: `http://localhost:${port}`,
    lines,
    ask,

    async mint(who = secrets.serviceToken): Promise<{ ticket: string; socketUrl: string }> {
      const answer = await ask('/broker/tickets', who, { json: { agent: 'counter', instance: 'one' } });
      const { ticket } = z.looseObject({ ticket: z.string() }).parse(await answer.json());
      const socketUrl = `${app.replace('http', 'ws')}/agents/counter/one?ticket=${ticket}`;
      return { ticket, socketUrl };
    },

    async minute(): Promise<void> {
      await (await workers.getWorker('app')).scheduled({ cron: '* * * * *' });
    },

    async rows(sql: string): Promise<unknown[]> {
      return (await (await database()).prepare(sql).all()).results;
    },

    /** Deploys with other secrets, and puts their first service tokens into the database. */
    async deployWith(fresh: DevSecrets, more: Readonly<Record<string, string>>): Promise<void> {
      await restartWorkers(workers, options(fresh, more));
      await seed(openControl(await database()), fresh, Date.now());
    },

    async close(): Promise<void> {
      await workers.dispose();
      await rm(folder, { recursive: true });
    },
  };
}
export type OneWorker = Awaited<ReturnType<typeof startOneWorker>>;
