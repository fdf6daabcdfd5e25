import { beforeAll, describe, expect, it } from 'vitest';
import { readConfig } from '../../src/config/config.ts';
import { SETTINGS, type StartedBroker, startNodeBroker } from './start-broker.ts';

/** `AUTH_MODE=none` lets everybody in, so it must have no effect outside a developer's machine. */

const LOCAL = 'http://127.0.0.1:8787';
const OPEN = { AUTH_MODE: 'none', MODE: 'development', ISSUER: LOCAL };

const faultOf = (settings: Readonly<Record<string, string>>): string => {
  try {
    readConfig({ ...SETTINGS, ...settings });
  } catch (error) {
    return error instanceof Error ? error.message : '';
  }
  return '';
};

describe('AUTH_MODE=none', () => {
  it('is taken in development mode with an issuer on loopback', () => {
    expect(faultOf(OPEN)).toBe('');
  });

  it.each([
    ['in production, though the issuer is on loopback', { MODE: 'production' }],
    ['in development, with an issuer elsewhere', { ISSUER: 'https://broker.test' }],
    ['with an issuer whose name begins like loopback', { ISSUER: 'https://127.0.0.1.broker.test' }],
  ])('refuses to start %s', (_where, settings) => {
    expect(faultOf({ ...OPEN, ...settings })).toContain(
      'AUTH_MODE: none is for MODE=development on loopback',
    );
  });

  it('refuses to start without a mode, which is production then', () => {
    expect(faultOf({ AUTH_MODE: 'none', ISSUER: LOCAL })).toContain('AUTH_MODE');
  });
});

describe('a caller without a credential', () => {
  let open: StartedBroker;
  let closed: StartedBroker;
  beforeAll(async () => {
    open = await startNodeBroker(OPEN);
    closed = await startNodeBroker({ ...OPEN, AUTH_MODE: 'required' });
  });
  const me = async ({ app }: StartedBroker, url: string) => {
    const answer = await app.request(url);
    const body: unknown = await answer.json();
    return [answer.status, body];
  };

  it.each([LOCAL, 'http://localhost:8787', 'http://[::1]:8787', 'http://127.8.9.10'])(
    'is the development principal at %s, where the mode is none',
    async (origin) => {
      expect(await me(open, `${origin}/me`)).toEqual([
        200,
        expect.objectContaining({ principal: 'anonymous:dev', method: 'development', permissions: [] }),
      ]);
    },
  );

  it.each([
    'https://broker.test',
    'http://127.0.0.1.evil.test:8787',
    'http://localhost.evil.test:8787',
    'http://0.0.0.0:8787',
    'http://192.0.2.1:8787',
  ])('is nobody at %s, whatever the mode: the name may have been pointed at this machine', async (origin) => {
    expect((await me(open, `${origin}/me`))[0]).toBe(401);
  });

  it('is nobody on loopback either, where the mode is required', async () => {
    expect((await me(closed, `${LOCAL}/me`))[0]).toBe(401);
  });
});
