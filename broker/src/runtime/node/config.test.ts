import { describe, expect, it } from 'vitest';
import { readNodeConfig } from './config.ts';

const PID = 4711;
const CANARY = 'canary-value';
const GOOD = {
  ISSUER: 'https://broker.test',
  TICKET_AUDIENCE: 'agents.test',
  AGENT_WORKER_URL: 'https://agents.test',
  KEK: 'A'.repeat(43),
  TOKEN_PEPPER: 'A'.repeat(43),
};
const OF_A_MACHINE = {
  PATH: '/usr/bin',
  HOME: '/root',
  NODE_ENV: 'production',
  NODE_OPTIONS: '',
  npm_config_registry: 'x',
  HOSTNAME: 'a',
  CF_INSTANCE_IP: '10.0.0.1',
  KEY: 'x',
  TOKEN: 'x',
  AUTH_TOKEN: 'x',
  AGENT_NAME: 'x',
  USER: 'x',
  LESS: 'x',
};

const faultOf = (env: Readonly<Record<string, string>>): string => {
  try {
    readNodeConfig({ ...GOOD, ...env }, PID);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return '';
};

describe('the configuration on Node', () => {
  it('is the Workers one with defaults for the rest, in any environment', () => {
    const { broker, ...rest } = readNodeConfig({ ...OF_A_MACHINE, ...GOOD }, PID);
    expect(broker.issuer).toBe(GOOD.ISSUER);
    expect(rest).toEqual({
      agents: 'agents.ts',
      archive: undefined,
      control: { url: 'file:control.db', token: undefined },
      record: { url: 'file:record.db', token: undefined },
      host: '127.0.0.1',
      port: 8787,
      inheritedSocket: undefined,
      loopbackOnly: false,
      trustedProxies: [],
    });
  });

  it('takes an archive in a folder, or in a bucket with its key', () => {
    const archiveOf = (env: Readonly<Record<string, string>>) =>
      readNodeConfig({ ...GOOD, ...env }, PID).archive;
    expect(archiveOf({ AUDIT_ARCHIVE_URL: 'file:/var/lib/archive' })).toEqual({ folder: '/var/lib/archive' });
    const url = 'https://s3.example/bucket/audit';
    const key = { AUDIT_ARCHIVE_KEY_ID: 'id', AUDIT_ARCHIVE_SECRET: 'secret' };
    expect(archiveOf({ AUDIT_ARCHIVE_URL: url, ...key })).toEqual({
      ...{ url, region: 'us-east-1', accessKeyId: 'id', secretAccessKey: 'secret' },
    });
    expect(faultOf({ AUDIT_ARCHIVE_URL: url })).toMatch(/AUDIT_ARCHIVE_KEY_ID.*AUDIT_ARCHIVE_SECRET/);
    expect(faultOf({ AUDIT_ARCHIVE_URL: 'file:archive', ...key })).toContain('AUDIT_ARCHIVE_KEY_ID');
  });

  it.each([
    ['libsql://db.example.com'],
    ['https://db.example.com'],
    ['http://127.0.0.1:8080'],
    ['file:/var/lib/agent-ticket/control.db'],
  ])('takes the database %s', (url) => {
    expect(readNodeConfig({ ...GOOD, CONTROL_DATABASE_URL: url }, PID).control.url).toBe(url);
  });

  it.each([
    ['CONTROL_DATABASE_URL', `http://${CANARY}.example`],
    ['CONTROL_DATABASE_URL', `libsql://db.example?authToken=${CANARY}`],
    ['CONTROL_DATABASE_URL', `https://user:${CANARY}@db.example`],
    ['CONTROL_DATABASE_URL', 'file::memory:'],
    ['CONTROL_DATABASE_URL', ''],
    ['RECORD_DATABASE_URL', 'file:control.db'],
    ['RECORD_DATABASE_TOKEN', ''],
    ['AUDIT_ARCHIVE_URL', ''],
    ['AUDIT_ARCHIVE_URL', `http://${CANARY}.example/bucket`],
    ['AUDIT_ARCHIVE_URL', `https://user:${CANARY}@s3.example/bucket`],
    ['AUDIT_ARCHIVE_URL', `https://s3.example/bucket?key=${CANARY}`],
    ['AUDIT_ARCHIVE_URL', 'https://s3.example'],
    ['AUDIT_ARCHIVE_URL', 'https://s3.example/bucket/'],
    ['AUDIT_ARCHIVE_URL', 's3://bucket'],
    ['AUDIT_ARCHIVE_KEY_ID', CANARY],
    ['AUDIT_ARCHIVE_SECRET', CANARY],
    ['AUDIT_ARCHIVE_REGION', `${CANARY}/`],
    ['AUDIT_HOT_DAYS', '6'],
    ['AUDIT_HOT_DAYS', '400'],
    ['PORT', CANARY],
    ['PORT', '65536'],
    ['PORT', '-1'],
    ['HOST', `${CANARY}/`],
    ['TRUSTED_PROXIES', CANARY],
    ['TRUSTED_PROXIES', '10.0.0.0/33'],
    ['TRUSTED_PROXIES', '10.0.0/8'],
    ['TRUSTED_PROXIES', '::/129'],
    ['TRUSTED_PROXIES', '10.0.0.1/8/8'],
    ['TRUSTED_PROXIES', '::ffff:10.0.0.1'],
    ['AGENT_WORKER_URL', `https://agents.test/${CANARY}`],
    ['ISSUER', CANARY],
  ])('with %s=%s refuses to start, names it and not its value', (name, value) => {
    const fault = faultOf({ [name]: value });
    expect(fault).toContain(name);
    expect(fault).not.toContain(CANARY);
  });

  it.each([
    'TRUSTED_PROXY',
    'ALOWED_ORIGINS',
    'ALLOWED_ORIGIN',
    'AUTH0_DOMAINS',
    'AUTH0_SECRET',
    'CF_ACCESS_AUDIENCE',
    'KEK_OLD',
    'KEY_ROTATION_SECONDS',
    'CONTROL_DATABASE',
    'RECORD_DB_URL',
    'TOKEN_PEPER',
    'OIDC_ISSUER',
    'TICKET_AUD',
  ])('refuses %s, which looks like a setting and is none', (name) => {
    expect(faultOf({ [name]: CANARY })).toMatch(
      new RegExp(`^broker is not configured\\. ${name}: not a setting of ours(, is it [A-Z_0-9]+\\?)?$`),
    );
  });

  it.each([
    ['ISSURE', 'ISSUER'],
    ['ISUER', 'ISSUER'],
    ['ISSUERS', 'ISSUER'],
    ['ISSUE', 'ISSUER'],
    ['BASEURL', 'BASE_URL'],
    ['ALOWED_ORIGINS', 'ALLOWED_ORIGINS'],
    ['TOKEN_PEPER', 'TOKEN_PEPPER'],
    ['AUTH_MDOE', 'AUTH_MODE'],
    ['CF_ACCESS_AUDS', 'CF_ACCESS_AUD'],
  ])('for %s names the likely setting %s', (name, likely) => {
    expect(faultOf({ [name]: CANARY })).toBe(
      `broker is not configured. ${name}: not a setting of ours, is it ${likely}?`,
    );
  });

  it.each([
    ['of this process', String(PID), 3],
    ['of another process', '1', undefined],
  ])('takes the socket that systemd passed, and none %s', (_whose, pid, socket) => {
    const env = { ...GOOD, LISTEN_PID: pid, LISTEN_FDS: '1', LISTEN_FDNAMES: 'broker.socket' };
    expect(readNodeConfig(env, PID).inheritedSocket).toBe(socket);
    if (socket !== undefined) expect(faultOf({ ...env, LISTEN_FDS: '2' })).toContain('LISTEN_FDS');
  });

  it('listens on loopback only while everybody is let in', () => {
    const open = { MODE: 'development', AUTH_MODE: 'none', ISSUER: 'http://127.0.0.1:8787' };
    expect(faultOf(open)).toBe('');
    expect(faultOf({ ...open, HOST: '::1' })).toBe('');
    expect(faultOf({ ...open, HOST: '0.0.0.0' })).toContain('HOST');
  });
});
