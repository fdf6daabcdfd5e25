import { describe, expect, it } from 'vitest';
import { SETTINGS } from '../../test/settings.ts';
import { readConfig } from './config.ts';

type Env = Readonly<Record<string, unknown>>;
const GOOD: Env = SETTINGS;
const without = (...names: string[]): Env =>
  Object.fromEntries(Object.entries(GOOD).filter(([name]) => !names.includes(name)));

function faultOf(env: Env): string {
  try {
    readConfig(env);
  } catch (error) {
    return error instanceof Error ? error.message : 'no Error';
  }
  return 'none';
}

/** A value of which a trace would be seen anywhere. */
const CANARY = 'canary-7f3a9c';

describe('the configuration', () => {
  it('is read from settings, and ignores bindings', () => {
    const config = readConfig({
      ...GOOD,
      CONTROL: {},
      MINT_SHARD: { get: () => {} },
      COUNT: 3,
      NOTHING: null,
    });
    expect(config).toMatchObject({
      issuer: 'https://broker.test',
      workers: [{ name: 'default', url: 'https://agents.test', audience: 'agents.test' }],
      allowedOrigins: ['https://app.test', 'https://console.test'],
    });
    expect([config.keyEncryptionKey.length, config.tokenPepper.length]).toEqual([32, 32]);
  });

  it('is for production, without origins and without Access, where nothing says otherwise', () => {
    const config = readConfig(without('MODE', 'ALLOWED_ORIGINS', 'CF_ACCESS_TEAM_DOMAIN', 'CF_ACCESS_AUD'));
    expect(config.allowedOrigins).toEqual([]);
  });

  it.each(['ISSUER', 'TICKET_AUDIENCE', 'AGENT_WORKER_URL', 'KEK', 'TOKEN_PEPPER'])(
    'without %s refuses to start and says which is missing',
    (name) => {
      expect(faultOf(without(name))).toMatch(new RegExp(`\\b${name}: missing`));
    },
  );

  it.each([
    ['ISSUER', `http://${CANARY}.example`],
    ['ISSUER', `https://broker.test?x=${CANARY}`],
    ['ISSUER', `https://broker.test/#${CANARY}`],
    ['ISSUER', `https://user:${CANARY}@broker.test`],
    ['ISSUER', CANARY],
    ['ISSUER', `ftp://${CANARY}`],
    ['ISSUER', ''],
    ['TICKET_AUDIENCE', ''],
    ['TICKET_AUDIENCE', CANARY.repeat(50)],
    ['AGENT_WORKER_URL', `http://${CANARY}.example`],
    ['AGENT_WORKER_URL', CANARY],
    ['AGENT_WORKER_URL', `https://agents.test/${CANARY}`],
    ['BASE_URL', `https://broker.test/${CANARY}`],
    ['KEK', CANARY],
    ['KEK', ''],
    ['KEK', `${CANARY}${'A'.repeat(43)}`],
    ['KEK', `${'A'.repeat(42)}=`],
    ['KEK', `${'A'.repeat(42)}+`],
    ['TOKEN_PEPPER', CANARY],
    ['TOKEN_PEPPER', `${'A'.repeat(43)}\n`],
    ['SHARDS', CANARY],
    ['SHARDS', '0'],
    ['SHARDS', '65'],
    ['SHARDS', '2.5'],
    ['ALLOWED_ORIGINS', '*'],
    ['ALLOWED_ORIGINS', 'null'],
    ['ALLOWED_ORIGINS', `https://${CANARY}.test/`],
    ['ALLOWED_ORIGINS', `https://app.test,${CANARY}`],
    ['ALLOWED_ORIGINS', `https://${CANARY}.TEST`],
    ['ALLOWED_ORIGINS', `https://${CANARY}.test:443`],
    ['MODE', CANARY],
    ['MODE', 'Development'],
    ['CF_ACCESS_TEAM_DOMAIN', `https://${CANARY}.cloudflareaccess.com`],
    ['CF_ACCESS_TEAM_DOMAIN', `${CANARY}.cloudflareaccess.com/`],
    ['CF_ACCESS_TEAM_DOMAIN', CANARY],
    ['CF_ACCESS_AUD', ''],
    ['CF_ACCESS_AUD', ' , '],
    ['CF_ACCESS_CERTS_URL', `http://${CANARY}.example/certs`],
  ])('with a %s that is not good refuses to start, names it and not its value', (name, value) => {
    const fault = faultOf({ ...GOOD, [name]: value });
    expect(fault).toContain(name);
    expect(fault).not.toContain(CANARY);
    for (const other of ['KEK', 'TOKEN_PEPPER', 'ISSUER'].filter((one) => one !== name)) {
      expect(fault).not.toContain(other);
    }
  });

  it.each(['CF_ACCESS_TEAM_DOMAIN', 'CF_ACCESS_AUD'])(
    'with Access but without %s refuses to start',
    (name) => {
      expect(faultOf(without(name))).toContain('CF_ACCESS_AUD');
    },
  );

  it('has a hostname for Access without a tenant, and for a tenant only with all of its settings', () => {
    const ofTenant = ['AUTH0_CLIENT_ID', 'AUTH0_CLIENT_SECRET', 'AUTH0_SESSION_ENCRYPTION_KEY'];
    const { trustedOrigins, signIn } = readConfig({ ...without(...ofTenant), BASE_URL: 'https://sso.test' });
    expect(signIn).toBeUndefined();
    expect(trustedOrigins).toContain('https://sso.test');
    expect(faultOf(without('AUTH0_CLIENT_ID'))).toContain('AUTH0_CLIENT_ID: missing');
    expect(faultOf(without(...ofTenant, 'CF_ACCESS_TEAM_DOMAIN', 'CF_ACCESS_AUD'))).toContain('missing');
  });

  it('with an issuer that is no address names it in development too', () => {
    expect(faultOf({ ...GOOD, MODE: 'development', ISSUER: CANARY })).toMatch(
      /^broker is not configured.*ISSUER/,
    );
  });

  it('with a setting of nobody refuses to start and names it, not its value', () => {
    const fault = faultOf({ ...GOOD, ISUER: CANARY, KEK_OLD: CANARY });
    expect(fault).toMatch(/ISUER/);
    expect(fault).toMatch(/KEK_OLD/);
    expect(fault).not.toContain(CANARY);
  });

  const BILLING = { url: 'https://billing.test', audience: 'billing.test' };
  const withWorkers = (workers: unknown) => ({ ...GOOD, WORKERS: JSON.stringify(workers) });

  it('takes more agent workers beside the one of the single settings, or all of them in one setting', () => {
    expect(readConfig(withWorkers({ billing: BILLING })).workers.map(({ name }) => name)).toEqual([
      'default',
      'billing',
    ]);
    const single = without('TICKET_AUDIENCE', 'AGENT_WORKER_URL');
    const alone = { ...single, WORKERS: JSON.stringify({ billing: BILLING }) };
    expect(readConfig(alone).workers).toEqual([{ name: 'billing', ...BILLING }]);
    expect(readConfig(GOOD, { workers: { billing: BILLING } })).toEqual(
      readConfig(withWorkers({ billing: BILLING })),
    );
  });

  it.each<[string, unknown, RegExp]>([
    ['that is no object', [BILLING], /must be a JSON object/],
    ['that is empty', {}, /must name a worker/],
    ['with a name that is none', { Billing: BILLING }, /Billing/],
    ['with an unknown member', { billing: { ...BILLING, canary: CANARY } }, /billing.*canary/],
    ['with control that is no truth value', { billing: { ...BILLING, control: 'no' } }, /billing\.control/],
    ['without an audience', { billing: { url: BILLING.url } }, /billing\.audience/],
    ['with an audience of commands', { billing: { ...BILLING, audience: 'x/control' } }, /billing\.audience/],
    [
      'with an address that has a path',
      { billing: { ...BILLING, url: `https://a.test/${CANARY}` } },
      /billing\.url/,
    ],
    ['with http', { billing: { ...BILLING, url: `http://${CANARY}.example` } }, /billing\.url/],
    [
      'with two faults',
      { a: { ...BILLING, url: '' }, b: { ...BILLING, audience: '' } },
      /a\.url.*b\.audience/,
    ],
    ['with the audience of another', { billing: { ...BILLING, audience: 'agents.test' } }, /one audience/],
    ['with the address of another', { billing: { ...BILLING, url: 'https://agents.test/' } }, /one url/],
    ['that names the worker of the single settings', { default: BILLING }, /default already/],
  ])('with WORKERS %s refuses to start, and names what is wrong', (_what, workers, fault) => {
    expect(faultOf(withWorkers(workers))).toMatch(/^broker is not configured\. WORKERS: /);
    expect(faultOf(withWorkers(workers))).toMatch(fault);
    expect(faultOf(withWorkers(workers))).not.toContain(CANARY);
  });

  it('with a worker twice, or workers in code and setting, refuses to start', () => {
    const text = JSON.stringify({ billing: BILLING });
    const twice = `{"billing":${JSON.stringify(BILLING)},${text.slice(1)}`;
    expect(faultOf({ ...GOOD, WORKERS: twice })).toMatch(/WORKERS: .*twice/);
    expect(() => readConfig(withWorkers({ billing: BILLING }), { workers: { billing: BILLING } })).toThrow(
      'WORKERS: the code names workers',
    );
  });

  it.each(['TICKET_AUDIENCE', 'AGENT_WORKER_URL'])('with WORKERS but %s alone refuses to start', (name) => {
    const other = name === 'TICKET_AUDIENCE' ? 'AGENT_WORKER_URL' : 'TICKET_AUDIENCE';
    expect(faultOf({ ...without(other), WORKERS: JSON.stringify({ billing: BILLING }) })).toContain(
      `${other}: missing`,
    );
  });

  it('names every fault at once', () => {
    const fault = faultOf({ ...without('ISSUER'), KEK: CANARY, MODE: CANARY });
    for (const name of ['ISSUER', 'KEK', 'MODE']) expect(fault).toContain(name);
  });

  it('never says a secret, whatever else is wrong', () => {
    const fault = faultOf({ ...GOOD, MODE: CANARY });
    expect(fault).not.toContain(SETTINGS.KEK);
    expect(fault).not.toContain(SETTINGS.TOKEN_PEPPER);
  });

  it('of nothing at all is a list of what is missing', () => {
    expect(faultOf({})).toMatch(/ISSUER: missing.*KEK: missing/);
  });

  it.each(['http://127.0.0.1:8787', 'http://localhost:8787', 'http://[::1]:8787'])(
    'takes %s without TLS',
    (ISSUER) => {
      expect(readConfig({ ...GOOD, ISSUER }).issuer).toBe(ISSUER);
    },
  );
});
