import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { makeSecrets } from 'agent-ticket/src/open-secrets.ts';
import { beforeAll, describe, expect, it } from 'vitest';
import { quietEnvironment, ROOT } from '../quiet-environment.ts';
import { credentialOf, rowsOf, startCommand } from './command-line.ts';
import { freePorts } from './free-ports.ts';
import { startBroker } from './node-broker.ts';

/** A broker on Node of which nobody is an operator yet. The tests build on each other. */

let folder: string;
let broker: string;
let running: { stop(): Promise<void> };
let start: () => Promise<{ stop(): Promise<void> }>;
let settings: Readonly<Record<string, string>>;
let operator: Readonly<Record<string, string>> = {};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'agent-ticket-cli-'));
  const ports = await freePorts();
  const secrets = makeSecrets();
  broker = `http://127.0.0.1:${ports.broker}`;
  settings = {
    ...{
      ISSUER: broker,
      TICKET_AUDIENCE: 'agents.test',
      AGENT_WORKER_URL: `http://127.0.0.1:${ports.agentWorker}`,
    },
    ...{ MODE: 'development', PORT: String(ports.broker) },
    ...{ KEK: secrets.keyEncryptionKey, TOKEN_PEPPER: secrets.tokenPepper },
  };
  start = () => startBroker(settings, folder);
  running = await start();
  return async () => {
    await running.stop();
    await rm(folder, { recursive: true });
  };
});

const run = (...words: string[]) => startCommand(words, { environment: operator }).ended;
const restart = async () => {
  await running.stop();
  running = await start();
};

describe('bootstrap', () => {
  const bootstrap = (...words: string[]) =>
    startCommand(['bootstrap', '--json', '--database', `file:${folder}/control.db`, ...words], {
      environment: { TOKEN_PEPPER: settings.TOKEN_PEPPER ?? '' },
    }).ended;

  it('makes the first operator, whose token works at once', async () => {
    const made = await bootstrap();
    expect(made.code).toBe(0);
    const [{ client_id: clientId, client_secret: clientSecret } = {}] = rowsOf(made);
    operator = credentialOf(broker, { clientId: String(clientId), clientSecret: String(clientSecret) });
    const [me] = rowsOf(await run('me', '--json'));
    expect(me).toMatchObject({ principal: `token:${clientId}`, tier: 'admin' });
    expect(me?.permissions).toContain('service-tokens:write');
  });

  it('takes the pepper from a folder of credentials, as the broker does', async () => {
    const credentials = await mkdtemp(join(folder, 'credentials-'));
    await writeFile(join(credentials, 'TOKEN_PEPPER'), `${settings.TOKEN_PEPPER}\n`);
    const words = ['bootstrap', '--database', `file:${folder}/control.db`];
    const environment = { CREDENTIALS_DIRECTORY: credentials };
    // It gets as far as the database, which has an operator.
    expect(await startCommand(words, { environment }).ended).toMatchObject({
      code: 2,
      err: expect.stringContaining('--again'),
    });
    const both = { ...environment, TOKEN_PEPPER: settings.TOKEN_PEPPER ?? '' };
    expect(await startCommand(words, { environment: both }).ended).toMatchObject({
      code: 2,
      err: expect.stringContaining('TOKEN_PEPPER: both in the environment and in CREDENTIALS_DIRECTORY'),
    });
  });

  it('makes no second one, unless it is told to', async () => {
    expect(await bootstrap()).toMatchObject({ code: 2, out: '', err: expect.stringContaining('--again') });
    expect(await bootstrap('--again', '--name', "it's another")).toMatchObject({ code: 0 });
    const names = rowsOf(await run('service-tokens', 'list', '--json')).map(({ name }) => name);
    expect(names.toSorted()).toEqual(['first operator', "it's another"]);
  });

  it('makes the first operator of a D1 database through wrangler, with an event that is to be delivered', async () => {
    const config = join(folder, 'wrangler.json');
    const migrations = `${ROOT}drizzle/control/migrations`;
    const database = { binding: 'CONTROL', database_name: 'c', database_id: 'c', migrations_dir: migrations };
    const settings = { name: 'b', compatibility_date: '2026-08-01', d1_databases: [database] };
    await writeFile(config, JSON.stringify(settings));
    const wrangler = async (...words: string[]) => {
      const env = quietEnvironment({ ...process.env, CI: 'true', WRANGLER_SEND_METRICS: 'false' });
      const all = ['d1', ...words, '--local', '--config', config];
      return (await promisify(execFile)('wrangler', all, { cwd: ROOT, env })).stdout;
    };
    await wrangler('migrations', 'apply', 'CONTROL');
    expect(await bootstrap('--d1', config, '--local')).toMatchObject({
      code: 0,
      out: expect.stringContaining('atk_'),
    });
    expect(await bootstrap('--d1', config, '--local')).toMatchObject({
      code: 2,
      err: expect.stringContaining('--again'),
    });
    const waiting = await wrangler('execute', 'CONTROL', '--json', '--command', 'SELECT event FROM outbox');
    expect(waiting.match(/service_token.created/g)).toHaveLength(1);
  });

  it('is in the audit log when the broker has delivered it', async () => {
    await restart();
    await eventually(async () => {
      const events = rowsOf(await run('audit', 'list', '--type', 'service_token.created', '--json'));
      expect(events.map(({ details }) => details)).toMatchObject([{ by: 'bootstrap' }, { by: 'bootstrap' }]);
    });
  });
});

describe('the followed log', () => {
  const seqs = async () =>
    (await readFile(join(folder, 'tail.ndjson'), 'utf8'))
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => Number(JSON.parse(line).event.seq));
  const follow = () =>
    startCommand(['audit', 'tail', '--file', join(folder, 'tail.ndjson'), '--after', '0', '--every', '1'], {
      environment: operator,
    });

  it('has every event once, through a restart of the broker and one of its own', async () => {
    const first = follow();
    await eventually(async () => expect((await seqs()).length).toBeGreaterThan(3));
    const before = (await seqs()).length;
    await restart();
    await eventually(async () => expect((await seqs()).length).toBeGreaterThan(before));
    first.child.kill('SIGKILL');
    await first.ended;
    const killed = (await seqs()).length;
    const second = follow();
    await eventually(async () => expect((await seqs()).length).toBeGreaterThan(killed));
    second.child.kill('SIGINT');
    expect(await second.ended).toMatchObject({ code: 0 });
    const all = await seqs();
    expect(all).toEqual(Array.from({ length: all.length }, (_, index) => index + 1));
  });

  it('is exported with its proof, and continued', async () => {
    const log = join(folder, 'log.ndjson');
    const exportLog = () => run('audit', 'export', '--file', log);
    const verify = () =>
      run('audit', 'verify', log, '--json', '--keys', `${broker}/.well-known/audit-jwks.json`);
    // The start seals: a file without a checkpoint could not be continued.
    await restart();
    await eventually(async () => expect((await run('audit', 'checkpoints', '--json')).out).not.toBe(''));
    expect(await exportLog()).toMatchObject({ code: 0 });
    await restart();
    await eventually(async () => {
      expect(await exportLog()).toMatchObject({ code: 0 });
      const [verified] = rowsOf(await verify());
      expect(verified).toMatchObject({ sound: true, from: 1 });
    });
  });
});

it('a broker that is away is said to be away', async () => {
  await running.stop();
  expect(await run('me')).toMatchObject({
    code: 2,
    out: '',
    err: expect.stringContaining(`${broker} does not answer`),
  });
  running = await start();
});
