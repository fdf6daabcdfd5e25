import { describe, expect, test } from 'vitest';
import { readConfig } from './config.ts';

const GOOD = { ISSUER: 'https://broker.test', TICKET_AUDIENCE: 'agents.test' };

describe('the configuration', () => {
  test('needs issuer and audience, and is strict about everything else', () => {
    expect(readConfig(GOOD)).toEqual({
      issuer: 'https://broker.test',
      audience: 'agents.test',
      jwksUrl: 'https://broker.test/.well-known/jwks.json',
      allowedOrigins: [],
      origin: undefined,
      endsReplayed: false,
      development: false,
    });
  });

  test('takes a list of origins, a place for keys and a mode', () => {
    const settings = {
      ...GOOD,
      ALLOWED_ORIGINS: 'https://app.test, http://localhost:5173',
      BROKER_JWKS_URL: 'https://keys.test/set.json',
      AGENT_WORKER_URL: 'https://agents.test/',
      TICKET_REPLAY: 'end-session',
      MODE: 'development',
    };
    expect(readConfig(settings)).toMatchObject({
      allowedOrigins: ['https://app.test', 'http://localhost:5173'],
      jwksUrl: 'https://keys.test/set.json',
      origin: 'https://agents.test',
      endsReplayed: true,
      development: true,
    });
  });

  test('looks past bindings, and past settings of the app', () => {
    expect(
      readConfig({ ...GOOD, COUNTER: {}, BROKER: { fetch: () => {} }, OPENAI_API_KEY: 'x', NODE: 'y' }),
    ).toMatchObject({
      issuer: GOOD.ISSUER,
    });
  });

  test('keeps an issuer with a path apart from its slash', () => {
    const config = readConfig({ ...GOOD, ISSUER: 'https://broker.test/tenant/' });
    expect(config.issuer).toBe('https://broker.test/tenant/');
    expect(config.jwksUrl).toBe('https://broker.test/tenant/.well-known/jwks.json');
  });

  test.for([
    ['ISSUER', { TICKET_AUDIENCE: 'x' }],
    ['ISSUER', { ...GOOD, ISSUER: 'http://broker.test' }],
    ['ISSUER', { ...GOOD, ISSUER: 'broker.test' }],
    ['ISSUER', { ...GOOD, ISSUER: 'https://user:secret@broker.test' }],
    ['TICKET_AUDIENCE', { ISSUER: GOOD.ISSUER }],
    ['TICKET_AUDIENCE', { ...GOOD, TICKET_AUDIENCE: '' }],
    ['BROKER_JWKS_URL', { ...GOOD, BROKER_JWKS_URL: 'http://broker.test/keys' }],
    ['ALLOWED_ORIGINS', { ...GOOD, ALLOWED_ORIGINS: '*' }],
    ['ALLOWED_ORIGINS', { ...GOOD, ALLOWED_ORIGINS: 'null' }],
    ['ALLOWED_ORIGINS', { ...GOOD, ALLOWED_ORIGINS: 'https://app.test/' }],
    ['AGENT_WORKER_URL', { ...GOOD, AGENT_WORKER_URL: 'https://agents.test/path' }],
    ['TICKET_REPLAY', { ...GOOD, TICKET_REPLAY: 'yes' }],
    ['MODE', { ...GOOD, MODE: 'dev' }],
    ['ALLOWED_ORIGIN', { ...GOOD, ALLOWED_ORIGIN: 'https://app.test' }],
    ['ISSUE: not a setting of ours, is it ISSUER?', { ...GOOD, ISSUE: 'https://broker.test' }],
    ['TIKCET_REPLAY', { ...GOOD, TIKCET_REPLAY: 'end-session' }],
  ] as const)('refuses a wrong %s by its name, and never says a value', ([name, settings]) => {
    expect(() => readConfig(settings)).toThrow(
      new RegExp(`agent worker is not configured\\. .*${name.replace('?', '\\\\?')}(?!\\w)`),
    );
    expect(() => readConfig(settings)).not.toThrow(/secret/);
  });
});
