import { describe, expect, it } from 'vitest';
import { terminalWith } from '../../test/terminal.ts';
import { UsageError } from '../command.ts';
import { authorization, findAccess } from './access.ts';

const BROKER = 'https://broker.example.com';
const ENVIRONMENT = {
  AGENT_TICKET_BROKER: BROKER,
  AGENT_TICKET_CLIENT_ID: 'svc_1',
  AGENT_TICKET_CLIENT_SECRET: 'atk_1',
};
const SERVICE_TOKEN = { authorization: `Basic ${btoa('svc_1:atk_1')}` };
const KEPT = JSON.stringify({ broker: 'https://kept.example.com', token: 'kept' });

const find = (environment: Record<string, string>, profile?: string, files: Record<string, string> = {}) => {
  const { terminal } = terminalWith({ environment, readPrivate: async (name) => files[name] });
  return findAccess(profile, terminal);
};

describe('the broker and the credential come', () => {
  it.each([
    ['from the environment', ENVIRONMENT, undefined, {}, { broker: BROKER, sent: SERVICE_TOKEN }],
    [
      'from the environment without the credential of an anonymous caller',
      { AGENT_TICKET_BROKER: BROKER },
      undefined,
      {},
      { broker: BROKER, sent: {} },
    ],
    [
      'from the environment before the usual profile',
      { AGENT_TICKET_BROKER: BROKER, AGENT_TICKET_TOKEN: 't' },
      undefined,
      { 'default.json': KEPT },
      { broker: BROKER, sent: { authorization: 'Bearer t' } },
    ],
    [
      'from the named profile before the environment',
      ENVIRONMENT,
      'kept',
      { 'kept.json': KEPT },
      { broker: 'https://kept.example.com', sent: { authorization: 'Bearer kept' } },
    ],
    [
      'from the profile that the environment names',
      { AGENT_TICKET_PROFILE: 'kept' },
      undefined,
      { 'kept.json': KEPT },
      { broker: 'https://kept.example.com', sent: { authorization: 'Bearer kept' } },
    ],
    [
      'from the environment with a broker that is mounted below a path',
      { ...ENVIRONMENT, AGENT_TICKET_BROKER: 'https://app.example.com/broker/' },
      undefined,
      {},
      { broker: 'https://app.example.com/broker', sent: SERVICE_TOKEN },
    ],
    [
      'from the environment on loopback without TLS',
      { ...ENVIRONMENT, AGENT_TICKET_BROKER: 'http://127.0.0.1:8787/' },
      undefined,
      {},
      { broker: 'http://127.0.0.1:8787', sent: SERVICE_TOKEN },
    ],
  ])('%s', async (_where, environment, profile, files, access) => {
    const found = await find(environment, profile, files);
    expect({ broker: found.broker, sent: await authorization(found) }).toEqual(access);
  });
});

describe('a command is not done', () => {
  it.each([
    ['where nothing is named', {}, undefined, {}, 'set AGENT_TICKET_BROKER'],
    ['with a profile that is not there', ENVIRONMENT, 'gone', {}, 'There is no profile gone'],
    ['with a profile that is a path', {}, '../x', {}, 'not a valid name of a profile'],
    [
      'with a credential for no broker',
      { AGENT_TICKET_TOKEN: 't' },
      undefined,
      { 'default.json': KEPT },
      'Set AGENT_TICKET_BROKER',
    ],
    [
      'with half a credential',
      { ...ENVIRONMENT, AGENT_TICKET_CLIENT_SECRET: '' },
      undefined,
      {},
      'AGENT_TICKET_CLIENT_SECRET, too',
    ],
    ['with two credentials', { ...ENVIRONMENT, AGENT_TICKET_TOKEN: 't' }, undefined, {}, 'Set either'],
    [
      'without TLS',
      { ...ENVIRONMENT, AGENT_TICKET_BROKER: 'http://broker.example.com' },
      undefined,
      {},
      'must be https',
    ],
    [
      'with an address that begins like loopback',
      { ...ENVIRONMENT, AGENT_TICKET_BROKER: 'http://localhost.example.com' },
      undefined,
      {},
      'must be https',
    ],
    [
      'with an address that has a query',
      { ...ENVIRONMENT, AGENT_TICKET_BROKER: `${BROKER}/?a=b` },
      undefined,
      {},
      'without a query',
    ],
    [
      'with a credential that has a line break',
      { ...ENVIRONMENT, AGENT_TICKET_CLIENT_SECRET: 's3cret\n' },
      undefined,
      {},
      'a line break',
    ],
    [
      'with an address that has a name in it',
      { ...ENVIRONMENT, AGENT_TICKET_BROKER: 'https://a:b@c.example' },
      undefined,
      {},
      'must be https',
    ],
    [
      'with a profile that is damaged',
      {},
      'kept',
      { 'kept.json': '{"broker":"https://a.example","token":"s3cret"' },
      'is damaged',
    ],
    [
      'with a profile that has a member more',
      {},
      'kept',
      { 'kept.json': '{"broker":"https://a.example","secret":"s3cret"}' },
      'is damaged',
    ],
  ])('%s, and says what to do', async (_what, environment, profile, files, said) => {
    const error = await find(environment, profile, files).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(UsageError);
    expect(String(error)).toContain(said);
    expect(String(error)).not.toContain('s3cret');
  });
});

it('a service token is sent as Basic, form-urlencoded', async () => {
  const credential = { kind: 'service-token', clientId: 'a:b', clientSecret: 'ü' } as const;
  expect(await authorization({ broker: BROKER, credential })).toEqual({
    authorization: `Basic ${btoa('a%3Ab:%C3%BC')}`,
  });
});
