import { expect, inject, it } from 'vitest';
import { mint } from './broker.ts';
import { nextFrame, openSocket, socketUrl, watchToClose } from './sockets.ts';
import { askForStatus, pageRequest } from './upgrade.ts';

const listed = (): string => inject('stack').agentWorker;

const UNLISTED: readonly [name: string, origin: () => string][] = [
  ['of another site', () => 'https://evil.example'],
  ['without an origin of its own', () => 'null'],
  ['whose name begins like ours', () => `${listed()}.evil.example`],
  ['on another port', () => listed().replace(/\d+$/, '1')],
  ['over another scheme', () => listed().replace('http:', 'https:')],
  ['of the broker', () => inject('stack').broker],
];

it('a page that is listed opens a socket', async () => {
  const { url } = await mint({ instance: 'page' });
  const { socket } = openSocket(url, { headers: { origin: listed() } });
  expect(await nextFrame(socket)).toContain('cf_agent_identity');
});

it.each(UNLISTED)('a page %s opens none, and its try costs no ticket', async (_name, origin) => {
  const { url, protocols } = await mint({ instance: 'foreign-page' });
  const headers = { origin: origin() };
  const refused = { frames: [], code: 4003, reason: 'forbidden' };
  expect(await watchToClose(url, { headers })).toMatchObject(refused);
  const bare = socketUrl('counter', 'foreign-page');
  expect(await watchToClose(bare, { protocols, headers })).toMatchObject(refused);
  expect(await askForStatus(url, headers)).toEqual([403, 'FORBIDDEN']);
  expect(await nextFrame(openSocket(url).socket)).toContain('cf_agent_identity');
});

it('a page can read a refusal only if its origin is listed', async () => {
  const url = socketUrl('counter', 'main');
  const ours = await pageRequest(url, { headers: { origin: listed() } });
  expect(ours).toMatchObject({ status: 401 });
  expect(ours.headers.get('access-control-allow-origin')).toBe(listed());
  const theirs = await pageRequest(url, { headers: { origin: 'https://evil.example' } });
  expect(theirs).toMatchObject({ status: 403 });
  expect(theirs.headers.get('access-control-allow-origin')).toBeNull();
});

it.each(['broker', 'agentWorker'] as const)(
  'the %s answers the preflight of a listed page alone',
  async (who) => {
    const url = new URL(who === 'broker' ? '/tickets' : '/agents/counter/main', inject('stack')[who]);
    const preflight = (origin: string) =>
      fetch(url, {
        method: 'OPTIONS',
        headers: {
          origin,
          'access-control-request-method': 'POST',
          'access-control-request-headers': 'authorization',
        },
      });
    const ours = await preflight(listed());
    expect(ours.status).toBe(204);
    expect(ours.headers.get('access-control-allow-origin')).toBe(listed());
    expect(ours.headers.get('access-control-allow-methods')).toContain('POST');
    expect(ours.headers.get('access-control-allow-headers')).toContain('authorization');
    const theirs = await preflight('https://evil.example');
    expect(theirs.headers.get('access-control-allow-origin')).toBeNull();
    expect(theirs.headers.get('access-control-allow-methods')).toBeNull();
  },
);
