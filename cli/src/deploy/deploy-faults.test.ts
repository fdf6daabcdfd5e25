import { describe, expect, it } from 'vitest';
import { openDatabase, type StandInAccount } from '../../test/cloudflare-stand-in.ts';
import { addMigration, FIRST_RUN, start, WORDS } from '../../test/deployed-project.ts';
import type { Terminal } from '../command.ts';

type Change = (account: StandInAccount) => void;
const failing =
  (
    on: string,
    as: StandInAccount['faults'][number]['as'],
    more: Partial<StandInAccount['faults'][number]> = {},
  ): Change =>
  ({ faults }) => {
    faults.push({ on, as, times: 1, ...more });
  };

/** Faults of the first run: what is said, and what was done before. Each is mended by the run after it. */
const FIRST_FAULTS: readonly [name: string, change: Change, said: RegExp, number: number][] = [
  [
    'there is no login',
    (account) => {
      account.loggedIn = false;
    },
    /npx wrangler login/,
    0,
  ],
  ['the network is down at first', failing('whoami', 'network'), /Check the network/, 0],
  ['the network is down at a list', failing('d1 list', 'network'), /Check the network/, 0],
  ['wrangler answers in another form', failing('whoami', 'garbled'), /form that is not known/, 0],
  ['the token may not list databases', failing('d1 list', 'forbidden'), /D1: Edit/, 0],
  ['the account has no room for the first database', failing('d1 create', 'quota'), /no room/, 0],
  [
    'the second database is refused',
    failing('d1 create shop-record', 'quota'),
    /Done before it: control database\./,
    1,
  ],
  [
    'the network goes down at a database',
    failing('d1 create shop-record', 'network'),
    /"record database" failed/,
    1,
  ],
  [
    'the answer about a database that was made is lost',
    failing('d1 create shop-control', 'network', { afterwards: true }),
    /"control database" failed/,
    1,
  ],
  [
    'the migration of the control database fails',
    failing('migrations apply CONTROL', 'migration'),
    /table agents already exists.*those before it stay/,
    2,
  ],
  [
    'the network goes down at the second migration',
    failing('migrations apply RECORD', 'network'),
    /"record tables" failed/,
    3,
  ],
  ['a secret is refused', failing('value of secret', 'secret'), /The empty worker was deleted/, 4],
  ['the network goes down at secrets', failing('secret bulk', 'network'), /"broker secrets" failed/, 4],
  ['the account has no room for the broker', failing('deploy --tag', 'quota'), /"broker" failed.*no room/, 5],
  [
    'Cloudflare fails at the agent worker',
    failing('deploy --config wrangler.deploy.json', 'unavailable'),
    /"agent worker" failed: .*10013/,
    7,
  ],
  [
    'the hostnames belong to no zone, and the version is live',
    (account) => {
      account.zones = [];
    },
    /"broker" failed: .*Add the zone/,
    7,
  ],
  ['the operator is not stored', failing('--command INSERT', 'network'), /"first operator" failed/, 8],
];

describe('where the first run fails', () => {
  it.each(FIRST_FAULTS)(
    'since %s, what was done and what to do is said, and the next run goes on',
    async (_name, change, said, number) => {
      const { deploy, read, meddle } = await start();
      meddle(change);
      const failed = await deploy();
      expect(failed.code).toBe(2);
      expect(failed.err).toMatch(said);
      // All migrations of a database are one step.
      const steps = read().log.map((line) => line.replace(/(?<=^applied \w+) .*/, ''));
      const done = steps.filter((line, at) => line !== steps[at - 1] && !line.startsWith('deleted'));
      expect(done).toHaveLength(number);
      meddle((account) => {
        account.loggedIn = true;
        account.faults = [];
        account.zones = ['shop.test'];
      });
      expect(await deploy()).toMatchObject({ code: 0 });
      const { log } = read();
      for (const line of FIRST_RUN) expect(log).toContain(line);
      expect(log.filter((line) => line.startsWith('made'))).toHaveLength(2);
      expect(await deploy()).toMatchObject({ code: 0, err: expect.stringContaining('Nothing to change.') });
    },
  );

  it('secrets that were made are kept for the next run', async () => {
    const { deploy, read, meddle, kept } = await start();
    meddle(failing('secret bulk', 'network'));
    await deploy();
    const [secrets = ''] = [...kept]
      .filter(([name]) => name.startsWith('deployment.'))
      .map(([, text]) => text);
    await deploy();
    expect(read().workers['shop-broker']?.secrets).toEqual(
      Object.fromEntries(Object.entries(JSON.parse(secrets)).filter(([name]) => name !== 'CALLBACK_KEY')),
    );
  });

  it('a value that wrangler repeats in its error is not shown', async () => {
    const { deploy, meddle, kept } = await start();
    meddle(failing('value of secret', 'secret'));
    const { err } = await deploy();
    expect(err).toContain('Secret value *** is too large');
    for (const secret of Object.values(JSON.parse([...kept.values()][0] ?? '{}')))
      expect(err).not.toContain(secret);
  });
});

it('a secret that another run sets after the plan is not replaced', async () => {
  const { deploy, read, meddle } = await start();
  const secrets = { KEK: 'of the other run', TOKEN_PEPPER: 'of the other run' };
  const answer = async () => {
    meddle(({ workers }) => {
      workers['shop-broker'] = { secrets, versions: [{ id: '1', config: {} }], live: '1' };
    });
    return 'y';
  };
  await deploy(WORDS, {
    isInteractive: true,
    openInput: () => ({ next: answer, redraw: () => {}, close: () => {} }),
  });
  expect(read().workers['shop-broker']?.secrets).toEqual(secrets);
});

describe('where an upgrade fails', () => {
  const upgrade = async (at: Awaited<ReturnType<typeof start>>, change: Change) => {
    await at.deploy();
    const before = at.read();
    at.meddle(change);
    await at.write('broker/index.ts', 'export default { new: 1 };\n');
    await at.write('index.ts', 'export default { new: 1 };\n');
    const ended = await at.deploy(['deploy', '--yes']);
    return { ended, before, after: at.read() };
  };

  it('half-way in its migrations, those before stay, and no worker is deployed', async () => {
    const at = await start();
    await addMigration(at.folder, 'control', 'CREATE TABLE service_tokens (id TEXT)');
    const { code, err } = await at.deploy();
    expect(code).toBe(2);
    expect(err).toMatch(/"control tables" failed: .*already exists/);
    const names = openDatabase(at.account, 'shop-control').prepare('SELECT name FROM d1_migrations').all();
    expect(names).not.toContainEqual({ name: '9999_more.sql' });
    expect(names).toContainEqual({ name: '0000_init.sql' });
    expect(at.read().workers).toEqual({});
  });

  it('before anything was uploaded, the worker from before stays', async () => {
    const { ended, before, after } = await upgrade(await start(), failing('deploy --tag', 'unavailable'));
    expect(ended.code).toBe(2);
    expect(ended.err).not.toContain('rolled back');
    expect(after.workers['shop-broker']?.live).toBe(before.workers['shop-broker']?.live);
  });

  it('after the new version went live, the version from before comes back', async () => {
    const { ended, before, after } = await upgrade(
      await start(),
      failing('deploy --tag', 'unavailable', { afterwards: true }),
    );
    expect(ended.err).toContain('shop-broker was rolled back to the version before.');
    expect(after.workers['shop-broker']?.live).toBe(before.workers['shop-broker']?.live);
    expect(after.workers.shop?.live).toBe(before.workers.shop?.live);
  });

  it('and the way back does, too, both are said', async () => {
    const { ended } = await upgrade(await start(), (account) => {
      failing('deploy --tag', 'unavailable', { afterwards: true })(account);
      failing('rollback', 'network')(account);
    });
    expect(ended.err).toMatch(/10013.*It could not be rolled back: .*network/);
  });

  it('in its checks, both workers are those from before, and databases and secrets stay', async () => {
    const at = await start();
    await at.deploy();
    const before = at.read();
    await at.write('broker/index.ts', 'export default { new: 1 };\n');
    await at.write('index.ts', 'export default { new: 1 };\n');
    const { code, err } = await at.deploy(['deploy', '--yes'], {
      fetch: async () => new Response('broken', { status: 500 }),
    });
    expect(code).toBe(2);
    expect(err).toMatch(/"broker answers" failed: .*500.*shop was rolled back.*shop-broker was rolled back/);
    const after = at.read();
    for (const name of ['shop', 'shop-broker']) {
      expect(after.workers[name]?.live).toBe(before.workers[name]?.live);
      expect(after.workers[name]?.secrets).toEqual(before.workers[name]?.secrets);
    }
    expect(after.databases).toEqual(before.databases);
  });
});

/** Refused before anything is made. */
const REFUSED: readonly [
  name: string,
  words: readonly string[],
  said: RegExp,
  change?: Change | undefined,
  given?: Partial<Terminal>,
][] = [
  ['no address is given and nobody can be asked', ['deploy', '--yes'], /Give --broker/],
  [
    'an address is not https',
    [...WORDS.slice(0, 2), 'http://tickets.shop.test', ...WORDS.slice(3)],
    /must be https/,
  ],
  [
    'an address has a slash at its end',
    [...WORDS.slice(0, 4), 'https://agents.shop.test/'],
    /without a path/,
  ],
  ['an address is a placeholder', [...WORDS.slice(0, 4), 'https://agents.example.com'], /placeholder/],
  ['both have one address', [...WORDS.slice(0, 4), 'https://tickets.shop.test'], /an address each/],
  ['the environment has no good name', [...WORDS, '--env', 'A b'], /cannot be "A b"/],
  ['the plan is not confirmed and nobody can be asked', WORDS, /add --yes/],
  ['the folder has no broker', [...WORDS, '--folder', 'elsewhere'], /There is no elsewhere\/wrangler.jsonc/],
  [
    'the login has two accounts',
    [...WORDS, '--yes'],
    /Give --account/,
    ({ accounts }) => void accounts.push({ id: 'b'.repeat(32), name: 'Other' }),
  ],
  [
    'the login does not have the account',
    [...WORDS, '--yes', '--account', 'c'],
    /does not have the account c/,
  ],
  [
    'a profile of that name is of another broker',
    [...WORDS, '--yes'],
    /The profile production is of another broker, https:\/\/other.test/,
    undefined,
    {
      readPrivate: async (name) =>
        name === 'production.json' ? '{"broker":"https://other.test"}' : undefined,
    },
  ],
  [
    'something else answers at the hostname',
    [...WORDS, '--yes'],
    /Something answers at https:\/\/tickets.shop.test already.*--take-hostnames/,
    undefined,
    { fetch: async () => new Response('another site') },
  ],
  [
    'somebody else has a worker of that name',
    [...WORDS, '--yes'],
    /is no broker, and it would be replaced/,
    ({ workers }) => {
      workers['shop-broker'] = { secrets: {}, versions: [{ id: '1', config: {} }], live: '1' };
    },
  ],
  [
    'a secret is of a wrong form',
    [...WORDS, '--yes'],
    /KEK in the environment/,
    undefined,
    { environment: { KEK: 'short' } },
  ],
  [
    'it is CI, where a secret made here would be lost',
    [...WORDS, '--yes'],
    /Set KEK in the environment/,
    undefined,
    { environment: { CI: 'true' } },
  ],
];

describe('nothing is made', () => {
  it.each(REFUSED)('where %s', async (_name, words, said, change = () => {}, given = {}) => {
    const { deploy, read, meddle } = await start(given);
    meddle(change);
    const { code, err } = await deploy(words);
    expect(code).toBe(2);
    expect(err).toMatch(said);
    expect(read().log).toEqual([]);
  });

  it('where the secret is lost that opens the keys in the database', async () => {
    const { deploy, read, meddle, kept, account } = await start();
    await deploy();
    openDatabase(account, 'shop-control').exec(
      "INSERT INTO signing_keys (kid, purpose, generation, alg, sealed, created_at, activates_at) VALUES ('k', 'ticket', 1, 'ES256', 's', 1, 1)",
    );
    meddle(({ workers }) => delete workers['shop-broker']?.secrets.KEK);
    for (const name of kept.keys()) if (name.startsWith('deployment.')) kept.delete(name);
    const before = read();
    const { code, err } = await deploy();
    expect(code).toBe(2);
    expect(err).toContain('1 rows that only the old one opens');
    expect(read()).toEqual(before);
  });

  it('where a newer version has changed the database', async () => {
    const { deploy, read, account } = await start();
    await deploy();
    openDatabase(account, 'shop-record').exec("INSERT INTO d1_migrations (name) VALUES ('0009_later.sql')");
    const before = read();
    expect(await deploy()).toMatchObject({ code: 2, err: expect.stringContaining('0009_later.sql') });
    expect(read()).toEqual(before);
  });

  it.each([
    ['a secret is in it', { broker_vars: { KEK: 'x' } }, 'KEK in deploy.json is a secret'],
    ['a setting follows from others', { agents_vars: { ISSUER: 'x' } }, 'ISSUER in agents_vars follows'],
    ['it has a member that is not known', { brokerVars: {} }, 'deploy.json is not as it must be'],
  ])('where of deploy.json %s', async (_name, more, said) => {
    const { deploy, write, read } = await start();
    const production = { broker: 'https://tickets.shop.test', agents: 'https://agents.shop.test', ...more };
    await write('deploy.json', JSON.stringify({ production }));
    expect(await deploy(['deploy', '--yes'])).toMatchObject({ code: 2, err: expect.stringContaining(said) });
    expect(read().log).toEqual([]);
  });
});
