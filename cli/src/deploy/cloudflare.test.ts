import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  ACCOUNT_ID,
  type ApiStandIn,
  DATABASE_ID,
  metadataIn,
  startApi,
  VERSION_ID,
} from '../../test/cloudflare-api.ts';
import { openProject } from '../open-project.ts';
import { runWrangler } from '../open-wrangler.ts';
import { openCloudflare } from './cloudflare.ts';

/** The installed wrangler, as a process, against a stand-in of Cloudflare's API: its options, outputs and errors are its own. */
const ONE_TEST_MS = 180_000;

const cloudflare = openCloudflare(runWrangler);
let api: ApiStandIn;
let folder: string;
let config: string;
let other: string;

beforeAll(async () => {
  api = await startApi();
  folder = await mkdtemp(join(tmpdir(), 'agent-ticket-wrangler-'));
  const project = openProject(folder);
  const worker = {
    name: 'shop-broker',
    main: 'index.ts',
    compatibility_date: '2026-08-01',
    account_id: ACCOUNT_ID,
    workers_dev: false,
    preview_urls: false,
    routes: [{ pattern: 'tickets.shop.test', custom_domain: true }],
    secrets: { required: ['KEK'] },
    d1_databases: [
      { binding: 'CONTROL', database_name: 'shop-control', database_id: DATABASE_ID, migrations_dir: 'good' },
      { binding: 'RECORD', database_name: 'shop-record', database_id: DATABASE_ID, migrations_dir: 'bad' },
    ],
  };
  await project.write('wrangler.deploy.json', JSON.stringify(worker));
  await project.write('other.json', JSON.stringify({ ...worker, name: 'other' }));
  await project.write('index.ts', 'export default { fetch: () => new Response("hello") };\n');
  await project.write('good/0000_init.sql', 'CREATE TABLE agents (id TEXT);\n');
  await project.write('bad/0000_init.sql', 'CREATE TABLE broken (id TEXT);\n');
  [config, other] = [join(folder, 'wrangler.deploy.json'), join(folder, 'other.json')];
  vi.stubEnv('CLOUDFLARE_API_BASE_URL', api.url);
  vi.stubEnv('CLOUDFLARE_API_TOKEN', 'token');
  vi.stubEnv('WRANGLER_LOG_PATH', join(folder, 'logs'));
  vi.stubEnv('XDG_CONFIG_HOME', folder);
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await api.close();
  await rm(folder, { recursive: true });
});

const callsOf = (part: string): readonly string[] =>
  api.asked.map(({ call }) => call).filter((call) => call.includes(part));

describe.concurrent('of the account', () => {
  it('accounts, databases, secrets and the live version with its tag are read', {
    timeout: ONE_TEST_MS,
  }, async () => {
    const [accounts, databases, secrets, live] = await Promise.all([
      cloudflare.accounts(),
      cloudflare.databases(config),
      cloudflare.secretNames(config),
      cloudflare.liveVersion(config),
    ]);
    expect(accounts).toEqual([{ id: ACCOUNT_ID, name: 'Shop' }]);
    expect([...databases]).toEqual([['shop-control', DATABASE_ID]]);
    expect(secrets).toEqual(['KEK']);
    expect(live).toEqual({ id: VERSION_ID, tag: 'at-0123456789abcdef' });
  });

  it('a worker that is not there has neither secrets nor a version', { timeout: ONE_TEST_MS }, async () => {
    expect(await Promise.all([cloudflare.secretNames(other), cloudflare.liveVersion(other)])).toEqual([
      undefined,
      undefined,
    ]);
  });

  it('rows of the last statement are read', { timeout: ONE_TEST_MS }, async () => {
    expect(await cloudflare.query(config, 'CONTROL', 'SELECT 1 AS made')).toEqual([{ made: 1 }]);
  });
});

describe.concurrent('in the account', () => {
  it('a database is made, and its name is all that is sent', { timeout: ONE_TEST_MS }, async () => {
    await cloudflare.createDatabase(config, 'shop-record');
    expect(api.asked.find(({ call }) => call.endsWith('/d1/database'))?.body).toBe('{"name":"shop-record"}');
  });

  it('migrations are applied', { timeout: ONE_TEST_MS }, async () => {
    await cloudflare.migrate(config, 'CONTROL');
    expect(
      api.asked.some(({ body }) => body.includes('CREATE TABLE agents') && body.includes('0000_init.sql')),
    ).toBe(true);
  });

  it('secrets go through the standard input', { timeout: ONE_TEST_MS }, async () => {
    await cloudflare.setSecrets(config, { KEK: 'the value' });
    expect(api.asked.find(({ call }) => call.includes('secrets-bulk'))?.body).toContain('"text":"the value"');
  });

  it('a worker is deployed with its tag, the secrets that it has, and its hostname', {
    timeout: ONE_TEST_MS,
  }, async () => {
    await cloudflare.deploy(config, 'at-fedcba9876543210');
    const upload = api.asked.find(({ call }) => call.startsWith('POST') && call.includes('/versions'));
    expect(metadataIn(upload?.body ?? '')).toMatchObject({
      annotations: { 'workers/tag': 'at-fedcba9876543210' },
      bindings: expect.arrayContaining([{ name: 'KEK', type: 'inherit' }]),
    });
    expect(api.asked.find(({ call }) => call.includes('/domains/records'))?.body).toContain(
      'tickets.shop.test',
    );
  });

  it('a version comes back, without a question', { timeout: ONE_TEST_MS }, async () => {
    await cloudflare.rollback(config, VERSION_ID);
    const asked = api.asked.filter(({ call }) => call.startsWith('POST') && call.endsWith('/deployments'));
    expect(asked.map(({ body }) => body).join()).toContain('the step after it failed');
  });

  it('an empty worker is deleted', { timeout: ONE_TEST_MS }, async () => {
    await cloudflare.deleteWorker(config);
    expect(callsOf('DELETE')).toHaveLength(1);
  });

  it('a build uploads nothing', { timeout: ONE_TEST_MS }, async () => {
    await cloudflare.build(other, join(folder, 'out'));
    expect(await openProject(folder).list('out')).toContain('index.js');
    expect(callsOf('/other').filter((call) => !call.startsWith('GET'))).toEqual([]);
  });
});

describe('a fault of wrangler is said with its remedy', () => {
  it.concurrent.each<readonly [string, () => Promise<unknown>, string, RegExp]>([
    [
      'a name that is taken',
      () => cloudflare.createDatabase(config, 'taken'),
      'NAME_TAKEN',
      /already exists/,
    ],
    ['an account that is full', () => cloudflare.createDatabase(config, 'full'), 'QUOTA', /no room/],
    [
      'a migration that fails',
      () => cloudflare.migrate(config, 'RECORD'),
      'MIGRATION',
      /wrangler d1 migrations apply: .*table broken already exists.*those before it stay/,
    ],
    [
      'a configuration without a file to build',
      () => cloudflare.build(join(folder, 'gone.json'), folder),
      'WRANGLER',
      /gone.json/,
    ],
  ])('for %s', { timeout: ONE_TEST_MS }, async (_name, work, code, said) => {
    await expect(work()).rejects.toMatchObject({ facts: { code }, message: expect.stringMatching(said) });
  });

  it('for a network that is down, and for a login that is missing', { timeout: ONE_TEST_MS }, async () => {
    vi.stubEnv('CLOUDFLARE_API_BASE_URL', 'http://127.0.0.1:9');
    const down = expect(cloudflare.databases(config)).rejects.toMatchObject({
      facts: { code: 'NO_NETWORK' },
    });
    vi.stubEnv('CLOUDFLARE_API_TOKEN', '');
    vi.stubEnv('HOME', folder);
    const out = expect(cloudflare.accounts()).rejects.toMatchObject({ facts: { code: 'NOT_LOGGED_IN' } });
    await Promise.all([down, out]);
  });
});
