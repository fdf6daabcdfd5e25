import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { experimental_readRawConfig } from 'wrangler';
import { openDatabase } from '../../test/cloudflare-stand-in.ts';
import { addMigration, FIRST_RUN, generated, start, WORDS } from '../../test/deployed-project.ts';

const openRaw = (folder: string): object =>
  Object(experimental_readRawConfig({ config: `${folder}/broker/wrangler.jsonc` }).rawConfig);

describe('the first run', () => {
  it('makes databases, tables, secrets, workers and an operator, in this order', async () => {
    const { deploy, read, account } = await start();
    const { code, out, err } = await deploy();
    expect(err).toContain('1/');
    expect(out).toContain('done    first operator');
    expect(code).toBe(0);
    expect(read().log).toEqual(FIRST_RUN);
    const operators = openDatabase(account, 'shop-control').prepare('SELECT name FROM service_tokens').all();
    expect(operators).toEqual([{ name: 'first operator' }]);
  });

  it('gives secrets to wrangler by its standard input alone, and shows none', async () => {
    const { deploy, read, wrangled, kept } = await start();
    const { out, err } = await deploy();
    const { workers } = read();
    const secrets = Object.values(workers).flatMap((worker) => Object.values(worker.secrets));
    expect(secrets).toHaveLength(3);
    expect(new Set(secrets).size).toBe(3);
    const shown = out + err + wrangled.map(({ words }) => words.join(' ')).join('\n');
    for (const secret of secrets) {
      expect(shown).not.toContain(secret);
      expect([...kept.values()].join()).toContain(secret);
    }
    expect(shown).not.toMatch(/atk_/);
  });

  it('keeps the credential of the operator in the profile of the environment', async () => {
    const { deploy, kept } = await start();
    await deploy();
    expect(JSON.parse(kept.get('production.json') ?? '')).toMatchObject({
      broker: 'https://tickets.shop.test',
      client_secret: expect.stringMatching(/^atk_/),
    });
  });

  it('writes addresses, names and ids into files beside those of the project, which stay as they are', async () => {
    const { deploy, read, folder } = await start();
    const before = [await generated(folder, 'wrangler.jsonc')];
    await deploy();
    expect([await generated(folder, 'wrangler.jsonc')]).toEqual(before);
    const ids = Object.fromEntries(read().databases.map(({ name, uuid }) => [name, uuid]));
    expect(await generated(folder, 'broker/wrangler.deploy.json')).toMatchObject({
      name: 'shop-broker',
      main: 'index.ts',
      vars: {
        ISSUER: 'https://tickets.shop.test',
        TICKET_AUDIENCE: 'agents.shop.test',
        AGENT_WORKER_URL: 'https://agents.shop.test',
        ALLOWED_ORIGINS: 'https://agents.shop.test',
      },
      d1_databases: [{ database_id: ids['shop-control'] }, { database_id: ids['shop-record'] }],
      routes: [{ pattern: 'tickets.shop.test', custom_domain: true }],
      secrets: { required: ['KEK', 'TOKEN_PEPPER'] },
    });
    expect(await generated(folder, 'wrangler.deploy.json')).toMatchObject({
      name: 'shop',
      vars: { GREETING: 'hello', ISSUER: 'https://tickets.shop.test', TICKET_AUDIENCE: 'agents.shop.test' },
      d1_databases: [{ binding: 'RECORD', database_id: ids['shop-record'] }],
      services: [
        { binding: 'BROKER', service: 'shop-broker' },
        { binding: 'BACKLOG', service: 'shop-broker', entrypoint: 'Backlog' },
      ],
      secrets: { required: ['CALLBACK_KEY'] },
    });
    expect(await generated(folder, 'deploy.json')).toEqual({
      production: { broker: 'https://tickets.shop.test', agents: 'https://agents.shop.test' },
    });
  });
});

it('in CI secrets come from the environment, and no operator is made, whose credential would be lost', async () => {
  const key = 'k'.repeat(43);
  const { deploy, read, kept } = await start({
    environment: { CI: 'true', KEK: key, TOKEN_PEPPER: key, CALLBACK_KEY: key },
  });
  expect(await deploy()).toMatchObject({
    code: 0,
    out: expect.stringContaining('CI would lose its credential'),
  });
  expect(read().workers['shop-broker']?.secrets).toEqual({ KEK: key, TOKEN_PEPPER: key });
  expect(read().log).toEqual(FIRST_RUN.slice(0, -1));
  expect([...kept]).toEqual([]);
});

it('--profile names another profile, also for further runs', async () => {
  const { deploy, kept } = await start();
  await deploy([...WORDS, '--yes', '--profile', 'shop']);
  expect([...kept.keys()]).toContain('shop.json');
  expect(await deploy(['deploy'])).toMatchObject({
    code: 0,
    err: expect.stringContaining('Nothing to change.'),
  });
  expect([...kept.keys()]).not.toContain('production.json');
});

describe('a further run', () => {
  it('changes nothing where nothing changed, and says so', async () => {
    const { deploy, read } = await start();
    await deploy();
    const before = read();
    const { code, out, err } = await deploy(['deploy']);
    expect(code).toBe(0);
    expect(err).toContain('Nothing to change.');
    expect(out).not.toMatch(/^ {2}(make|change)/m);
    expect(read()).toEqual(before);
  });

  it('deploys the worker alone whose code changed', async () => {
    const { deploy, read, write } = await start();
    await deploy();
    await write('index.ts', 'export class Counter {}\nexport default { new: 1 };\n');
    expect(await deploy(['deploy', '--yes'])).toMatchObject({ code: 0 });
    expect(read().log.slice(FIRST_RUN.length)).toEqual(['deployed shop']);
  });

  it('applies a migration that is new before it deploys', async () => {
    const { deploy, read, folder, write } = await start();
    await deploy();
    await addMigration(folder, 'record', 'CREATE TABLE more (id TEXT)');
    await write('broker/index.ts', 'export default { new: 1 };\n');
    await deploy(['deploy', '--yes']);
    expect(read().log.slice(FIRST_RUN.length)).toEqual([
      'applied RECORD 9999_more.sql',
      'deployed shop-broker',
    ]);
  });

  it('sets a secret that is missing, and no other', async () => {
    const { deploy, read, meddle } = await start();
    await deploy();
    const { KEK } = read().workers['shop-broker']?.secrets ?? {};
    meddle(({ workers }) => delete workers['shop-broker']?.secrets.KEK);
    await deploy(['deploy', '--yes']);
    expect(read().log.slice(FIRST_RUN.length)).toEqual(['set shop-broker KEK', 'deployed shop-broker']);
    expect(read().workers['shop-broker']?.secrets.KEK).toBe(KEK);
  });

  it('in a fresh clone finds the databases by their names', async () => {
    const { deploy, read, folder } = await start();
    await deploy();
    for (const file of ['wrangler.deploy.json', 'broker/wrangler.deploy.json']) await rm(`${folder}/${file}`);
    expect(await deploy()).toMatchObject({ code: 0, err: expect.stringContaining('Nothing to change.') });
    expect(read().log).toEqual(FIRST_RUN);
  });
});

it('a binding of the agents that their file has stays as it is, and names the broker of the environment', async () => {
  const { deploy, write, readFile, folder } = await start();
  const own = [
    { binding: 'BROKER', service: 'shop-broker', entrypoint: 'Own' },
    { binding: 'OTHER', service: 'other' },
  ];
  const app = Object(JSON.parse((await readFile('wrangler.jsonc')) ?? ''));
  await write('wrangler.jsonc', JSON.stringify({ ...app, services: own }));
  const addresses = ['--broker', 'https://t-staging.shop.test', '--agents', 'https://a-staging.shop.test'];
  await deploy(['deploy', '--env', 'staging', ...addresses, '--yes']);
  expect((await generated(folder, 'wrangler.deploy.staging.json')).services).toEqual([
    { binding: 'BROKER', service: 'shop-broker-staging', entrypoint: 'Own' },
    { binding: 'OTHER', service: 'other' },
    { binding: 'BACKLOG', service: 'shop-broker-staging', entrypoint: 'Backlog' },
  ]);
});

it('the plan in docs/deploy/cloudflare.md is the output of a dry run', async () => {
  const { deploy } = await start();
  const { out } = await deploy([...WORDS, '--dry-run']);
  const page = await readFile(join(import.meta.dirname, '../../../docs/deploy/cloudflare.md'), 'utf8');
  const [, shown] = /^```text\n(Plan for .*?)^```$/ms.exec(page) ?? [];
  expect(shown).toBe(out.replaceAll(/apply .*/g, 'apply …'));
});

it('another environment has names, databases, secrets and a profile of its own', async () => {
  const { deploy, read, kept } = await start();
  await deploy();
  const words = [
    '--broker',
    'https://tickets-staging.shop.test',
    '--agents',
    'https://agents-staging.shop.test',
  ];
  expect(await deploy(['deploy', '--env', 'staging', ...words, '--yes'])).toMatchObject({ code: 0 });
  const { databases, workers } = read();
  expect(databases.map(({ name }) => name)).toContain('shop-control-staging');
  expect(Object.keys(workers)).toEqual(['shop-broker', 'shop', 'shop-broker-staging', 'shop-staging']);
  expect(workers['shop-staging']?.versions.at(-1)?.config).toMatchObject({
    services: [{ service: 'shop-broker-staging' }, { service: 'shop-broker-staging' }],
    routes: [{ pattern: 'agents-staging.shop.test' }],
  });
  expect(workers['shop-broker-staging']?.secrets.KEK).not.toBe(workers['shop-broker']?.secrets.KEK);
  expect(kept.has('staging.json')).toBe(true);
});

describe('addresses', () => {
  it('are asked of a person, and kept for the next run', async () => {
    const answers = ['https://tickets.shop.test', 'https://agents.shop.test', 'y'];
    const asked: string[] = [];
    const { deploy, folder } = await start({
      isInteractive: true,
      openInput: (prompt) => {
        asked.push(prompt);
        return { next: async () => answers.shift(), redraw: () => {}, close: () => {} };
      },
    });
    expect(await deploy(['deploy'])).toMatchObject({ code: 0 });
    expect(asked[0]).toContain('Address of the broker');
    expect(asked[2]).toContain('9 steps change the account.');
    expect(await generated(folder, 'deploy.json')).toEqual({
      production: { broker: 'https://tickets.shop.test', agents: 'https://agents.shop.test' },
    });
    expect(await deploy(['deploy'])).toMatchObject({
      code: 0,
      err: expect.stringContaining('Nothing to change.'),
    });
  });

  it('of production are those of the project, where it has its own, and so is the audience', async () => {
    const { deploy, folder, write } = await start();
    const broker = openRaw(folder);
    await write(
      'broker/wrangler.jsonc',
      JSON.stringify({
        ...broker,
        vars: {
          ISSUER: 'https://tickets.shop.test',
          AGENT_WORKER_URL: 'https://agents.shop.test',
          TICKET_AUDIENCE: 'the-agents',
        },
      }),
    );
    expect(await deploy(['deploy', '--yes'])).toMatchObject({ code: 0 });
    for (const path of ['wrangler.deploy.json', 'broker/wrangler.deploy.json'])
      expect(await generated(folder, path)).toMatchObject({ vars: { TICKET_AUDIENCE: 'the-agents' } });
    expect(await deploy(['deploy', '--env', 'staging', '--yes'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('Give --broker'),
    });
  });
});

it('a section for the environment in the configuration of the app replaces the members above it', async () => {
  const { deploy, folder, write } = await start();
  const app = await generated(folder, 'wrangler.jsonc');
  const kv_namespaces = [{ binding: 'CARTS', id: 'of-staging' }];
  await write(
    'wrangler.jsonc',
    JSON.stringify({
      ...app,
      kv_namespaces: [{ binding: 'CARTS', id: 'x' }],
      env: { staging: { kv_namespaces } },
    }),
  );
  expect(await deploy([...WORDS, '--env', 'staging', '--yes'])).toMatchObject({ code: 0 });
  const written = await generated(folder, 'wrangler.deploy.staging.json');
  expect(written).toMatchObject({ name: 'shop-staging', kv_namespaces });
  expect(written).not.toHaveProperty('env');
});

describe('--dry-run', () => {
  it('shows each step, and changes neither the account nor the settings', async () => {
    const { deploy, read, readFile } = await start();
    const before = read();
    const { code, out, err } = await deploy([...WORDS, '--dry-run']);
    expect(code).toBe(0);
    expect(out).toMatch(/make +control database +shop-control/);
    expect(out).toMatch(/change +control tables +apply 0000_init.sql, /);
    expect(out).toMatch(/make +broker secrets +KEK \(new\), TOKEN_PEPPER \(new\)/);
    expect(err).toContain('Nothing was done.');
    expect(read()).toEqual(before);
    expect(await readFile('deploy.json')).toBeUndefined();
  });

  it('with --json is a line of JSON for each step', async () => {
    const { deploy } = await start();
    const { out, err } = await deploy([...WORDS, '--dry-run', '--json']);
    const lines = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines[0]).toEqual({
      step: 'control database',
      action: 'make',
      text: 'shop-control',
      status: 'planned',
    });
    expect(lines.map(({ step }) => step)).toContain('probe');
    expect(err).toBe('');
  });
});

describe('a sign-in by Auth0', () => {
  const production = {
    broker: 'https://tickets.shop.test',
    agents: 'https://agents.shop.test',
    broker_vars: { AUTH0_CLIENT_ID: 'abc', CLAIM_RULES: [{ issuer: 'https://tenant.test/' }] },
  };

  it('takes its secret from the environment, makes the key of its cookie, and says what to click', async () => {
    const { deploy, read, write } = await start({ environment: { AUTH0_CLIENT_SECRET: 'from-auth0' } });
    await write('deploy.json', JSON.stringify({ production }));
    const { code, out } = await deploy(['deploy', '--yes']);
    expect(code).toBe(0);
    expect(out).toContain('Allowed Callback URLs https://tickets.shop.test/auth/callback');
    const worker = read().workers['shop-broker'];
    expect(worker?.secrets).toMatchObject({ AUTH0_CLIENT_SECRET: 'from-auth0' });
    expect(worker?.secrets.AUTH0_SESSION_ENCRYPTION_KEY).toMatch(/^.{43}$/);
    expect(worker?.versions.at(-1)?.config).toMatchObject({
      vars: { CLAIM_RULES: '[{"issuer":"https://tenant.test/"}]' },
    });
    expect(read().log).not.toContain('wrote CONTROL');
  });

  it('asks a person for its secret, which is not shown', async () => {
    const asked: [string, boolean | undefined][] = [];
    const { deploy, read, write } = await start({
      isInteractive: true,
      openInput: (prompt, isSecret) => {
        asked.push([prompt, isSecret]);
        return { next: async () => (isSecret === true ? 'typed' : 'y'), redraw: () => {}, close: () => {} };
      },
    });
    await write('deploy.json', JSON.stringify({ production }));
    expect(await deploy(['deploy'])).toMatchObject({ code: 0 });
    expect(asked[1]).toEqual([expect.stringContaining('AUTH0_CLIENT_SECRET'), true]);
    expect(read().workers['shop-broker']?.secrets.AUTH0_CLIENT_SECRET).toBe('typed');
  });
});
