import { runInDurableObject } from 'cloudflare:test';
import { CallbackId } from '@agent-ticket/shared/names.ts';
import { base64url } from 'jose';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { type CallbackPlace, createCallbackTokens, TOKEN_PARAMETER } from '../src/callback-token.ts';
import { writeTicketless } from '../src/handover.ts';
import { AGENTS_URL, front, hooked, newSecond, reasons, receivedBy, urlOf } from './callbacks.ts';
import { eventsOf } from './record.ts';
import { makeTicket, NOW, newInstance, SUBJECT } from './tickets.ts';
import { printed } from './watch.ts';

/** What others make of the URL of a callback that takes tokens: each row is one change of a request that is let in. */

const CURRENT = 'Y2FsbGJhY2tzY2FsbGJhY2tzY2FsbGJhY2tzY2FsbGI';
const PREVIOUS = 'cHJldmlvdXNwcmV2aW91c3ByZXZpb3VzcHJldmlvdXM';
const STRANGE = 'c3RyYW5nZXJzdHJhbmdlcnN0cmFuZ2Vyc3RyYW5nZXI';
const tokensOf = (...keys: string[]) =>
  createCallbackTokens(keys.map((key) => new Uint8Array(base64url.decode(key))));
const LATER = NOW + 3600;

/** What a request is made of: an instance, and a URL that its agent has made. */
interface Good {
  readonly instance: string;
  readonly url: URL;
  readonly token: string;
}
type Made = Request | Promise<Request>;
type Row = readonly [what: string, status: number, reason: string, make: (good: Good) => Made];

const at = (url: string | URL, init: RequestInit<CfProperties> = {}) =>
  new Request(url, { method: 'POST', body: 'hello', ...init });
/** The good URL with another token. */
const withToken = ({ url }: Good, ...tokens: string[]) => {
  const other = new URL(url);
  other.searchParams.delete(TOKEN_PARAMETER);
  for (const token of tokens) other.searchParams.append(TOKEN_PARAMETER, token);
  return at(other);
};
/** The good URL with another path below its instance. */
const below = ({ url, instance }: Good, path: string) =>
  at(`${AGENTS_URL}/agents/hooked/${instance}${path}${url.search}`);
/** A token that nobody made, under a key. */
const forged = async (
  good: Good,
  key: string,
  other: Partial<CallbackPlace> = {},
  id = CallbackId.parse(crypto.randomUUID()),
) => {
  const place = {
    audience: 'agents.test',
    agent: 'hooked',
    instance: good.instance,
    name: 'token',
    ...other,
  };
  return withToken(good, (await tokensOf(key).make(place, id, LATER)) ?? '');
};
const part = ({ token }: Good, index: number, change: (text: string) => string): string =>
  token
    .split('.')
    .map((text, n) => (n === index ? change(text) : text))
    .join('.');
const ticketOf = (instance: string) =>
  makeTicket({ agent: 'hooked', instance, scope: 'agent:connect agent:state:read agent:message' });

const INVALID = 'callback_token_invalid';
const TOKENS: readonly Row[] = [
  ['no token', 401, 'ticket_missing', ({ url }) => at(url.origin + url.pathname)],
  ['an empty token', 401, INVALID, (good) => withToken(good, '')],
  ['a word for a token', 401, INVALID, (good) => withToken(good, 'garbage')],
  ['its token twice', 401, INVALID, (good) => withToken(good, good.token, good.token)],
  ['garbage behind its token', 401, INVALID, (good) => withToken(good, good.token, 'garbage')],
  ['garbage before its token', 401, INVALID, (good) => withToken(good, 'garbage', good.token)],
  ["another agent's token", 401, INVALID, (good) => forged(good, CURRENT, { agent: 'witness' })],
  ["another instance's token", 401, INVALID, (good) => forged(good, CURRENT, { instance: newInstance() })],
  ["another callback's token", 401, INVALID, (good) => forged(good, CURRENT, { name: 'other' })],
  ["another worker's token", 401, INVALID, (good) => forged(good, CURRENT, { audience: 'other.test' })],
  [
    'an audience and an agent that only together are the same text',
    401,
    INVALID,
    (good) => forged(good, CURRENT, { audience: 'agents.testh', agent: 'ooked' }),
  ],
  ['a token under a key that nobody has', 401, INVALID, (good) => forged(good, STRANGE)],
  [
    'a token under such a key with the id of ours',
    401,
    INVALID,
    async (good) => {
      const other = new URL((await forged(good, STRANGE)).url).searchParams.get(TOKEN_PARAMETER) ?? '';
      const [version, , ...rest] = other.split('.');
      return withToken(good, [version, good.token.split('.')[1], ...rest].join('.'));
    },
  ],
  [
    'its token with the id of the previous key',
    401,
    INVALID,
    async (good) => {
      const previous = new URL((await forged(good, PREVIOUS)).url).searchParams.get(TOKEN_PARAMETER) ?? '';
      return withToken(
        good,
        part(good, 1, () => previous.split('.')[1] ?? ''),
      );
    },
  ],
  [
    'a token that its instance never made, under the key',
    404,
    'callback_instance_unknown',
    (good) => forged(good, CURRENT),
  ],
  ['another version', 401, INVALID, (good) => withToken(good, good.token.replace('acb_v1', 'acb_v2'))],
  ['no prefix', 401, INVALID, (good) => withToken(good, good.token.replace('acb_', ''))],
  [
    'another id',
    401,
    INVALID,
    (good) =>
      withToken(
        good,
        part(good, 2, () => crypto.randomUUID()),
      ),
  ],
  [
    'its id in capitals',
    401,
    INVALID,
    (good) =>
      withToken(
        good,
        part(good, 2, (id) => id.toUpperCase()),
      ),
  ],
  [
    'a later expiry',
    401,
    INVALID,
    (good) =>
      withToken(
        good,
        part(good, 3, (exp) => `${Number(exp) + 1}`),
      ),
  ],
  [
    'its expiry with a zero before',
    401,
    INVALID,
    (good) =>
      withToken(
        good,
        part(good, 3, (exp) => `0${exp}`),
      ),
  ],
  [
    'its expiry as a fraction',
    401,
    INVALID,
    (good) =>
      withToken(
        good,
        part(good, 3, (exp) => `${exp}.0`),
      ),
  ],
  [
    'no MAC',
    401,
    INVALID,
    (good) =>
      withToken(
        good,
        part(good, 4, () => ''),
      ),
  ],
  [
    'a MAC cut short',
    401,
    INVALID,
    (good) =>
      withToken(
        good,
        part(good, 4, (mac) => mac.slice(0, -1)),
      ),
  ],
  ['a MAC with one other letter', 401, INVALID, (good) => withToken(good, part(good, 4, otherFirst))],
  ['another spelling of its MAC', 401, INVALID, (good) => withToken(good, part(good, 4, otherSpelling))],
  ['a padded MAC', 401, INVALID, (good) => withToken(good, `${good.token}=`)],
  [
    'a MAC of zeros',
    401,
    INVALID,
    (good) =>
      withToken(
        good,
        part(good, 4, () => 'A'.repeat(43)),
      ),
  ],
  ['white space behind', 401, INVALID, (good) => withToken(good, `${good.token} `)],
  ['a line break behind', 401, INVALID, (good) => withToken(good, `${good.token}\n`)],
  ['100 kB of token', 401, INVALID, (good) => withToken(good, 'A'.repeat(100_000))],
  [
    'its token under a name in capitals',
    401,
    'ticket_missing',
    ({ url, token }) => at(`${url.origin}${url.pathname}?CALLBACK_TOKEN=${token}`),
  ],
  [
    'its token as a Bearer',
    401,
    'ticket_malformed',
    ({ url, token }) => at(url.origin + url.pathname, { headers: { authorization: `Bearer ${token}` } }),
  ],
  [
    'its token as a ticket in the query',
    401,
    'ticket_missing',
    ({ url, token }) => at(`${url.origin}${url.pathname}?ticket=${token}`),
  ],
  [
    'its token in a cookie',
    401,
    'ticket_missing',
    ({ url, token }) => at(url.origin + url.pathname, { headers: { cookie: `callback_token=${token}` } }),
  ],
  [
    'its token in the body',
    401,
    'ticket_missing',
    ({ url, token }) =>
      at(url.origin + url.pathname, { body: new URLSearchParams({ callback_token: token }) }),
  ],
];

const otherFirst = (mac: string): string => `${mac.startsWith('A') ? 'B' : 'A'}${mac.slice(1)}`;
/** The two unused bits of the last character set. */
const otherSpelling = (mac: string): string => {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  return mac.slice(0, -1) + alphabet[alphabet.indexOf(mac.slice(-1)) + 1];
};

const METHODS: readonly Row[] = ['PUT', 'PATCH', 'DELETE', 'HEAD', 'PROPFIND', 'MKCOL', 'patch'].map(
  (method): Row => [
    `the method ${method}`,
    405,
    'method_not_allowed',
    ({ url }) => new Request(url, { method }),
  ],
);

const PATHS: readonly Row[] = [
  ['a slash behind its path', 401, 'ticket_missing', (good) => below(good, '/hooks/token/')],
  ['a segment behind its path', 401, 'ticket_missing', (good) => below(good, '/hooks/token/more')],
  ['a segment before its path', 401, 'ticket_missing', (good) => below(good, '/x/hooks/token')],
  ['an empty segment in its path', 401, 'ticket_missing', (good) => below(good, '/hooks//token')],
  ['an empty segment before its path', 401, 'ticket_missing', (good) => below(good, '//hooks/token')],
  ['its path in capitals', 401, 'ticket_missing', (good) => below(good, '/HOOKS/token')],
  ['an escape in its path', 401, 'ticket_missing', (good) => below(good, '/hooks/toke%6e')],
  ['an escaped slash in its path', 401, 'ticket_missing', (good) => below(good, '/hooks%2ftoken')],
  ['an escaped line break in its path', 401, 'ticket_missing', (good) => below(good, '/hooks/token%0a')],
  ['a parameter in its path', 401, 'ticket_missing', (good) => below(good, '/hooks/token;v=1')],
  ['a dot behind its path', 401, 'ticket_missing', (good) => below(good, '/hooks/token.')],
  ['a part of its path', 401, 'ticket_missing', (good) => below(good, '/hooks')],
  ['no path', 401, 'ticket_missing', (good) => below(good, '')],
  ["another callback's path", 401, INVALID, (good) => below(good, '/hooks/other')],
  ['a sub-agent before its path', 404, 'agent_unknown', (good) => below(good, '/sub/hooked/x/hooks/token')],
  ['a sub-agent behind its path', 404, 'agent_unknown', (good) => below(good, '/hooks/token/sub/hooked/x')],
  ['an escaped sub-agent', 404, 'agent_unknown', (good) => below(good, '/%73ub/hooked/x/hooks/token')],
  [
    'its agent in capitals',
    404,
    'agent_unknown',
    ({ url }) => at(`${url}`.replace('/agents/hooked/', '/agents/Hooked/')),
  ],
  [
    'another agent with a callback of that name and path',
    401,
    INVALID,
    ({ url }) => at(`${url}`.replace('/agents/hooked/', '/agents/witness/')),
  ],
  [
    'an agent without callbacks',
    404,
    'agent_unknown',
    ({ url }) => at(`${url}`.replace('/agents/hooked/', '/agents/counter/')),
  ],
  ['its instance in escapes', 400, 'instance_invalid', ({ url }) => at(`${url}`.replace('/room', '/%72oom'))],
  ['its instance in capitals', 401, INVALID, ({ url }) => at(`${url}`.replace('/room-', '/ROOM-'))],
  ['the instance sub', 404, 'agent_unknown', ({ url }) => at(`${url}`.replace(/room-[^/]+/, 'sub'))],
  [
    'plain text',
    403,
    'plaintext_refused',
    ({ url }) => at(`${url}`.replace('https://agents.test', 'http://agents.test')),
  ],
];

const upgrading = (headers: Record<string, string> = {}) => ({
  method: 'GET',
  headers: { upgrade: 'websocket', accept: 'application/json', ...headers },
});
const bearer = async ({ instance }: Good) => ({ authorization: `Bearer ${await ticketOf(instance)}` });
const TWO_PROOFS = 'callback_ambiguous';
const BESIDE: readonly Row[] = [
  [
    'a ticket beside its token',
    400,
    TWO_PROOFS,
    async (good) => at(good.url, { headers: await bearer(good) }),
  ],
  [
    'a bad ticket beside its token',
    400,
    TWO_PROOFS,
    ({ url }) => at(url, { headers: { authorization: 'bearer x' } }),
  ],
  [
    'a ticket in the query beside its token',
    400,
    TWO_PROOFS,
    async ({ url, instance }) => at(`${url}&ticket=${await ticketOf(instance)}`),
  ],
  [
    'a ticket as a subprotocol beside its token',
    400,
    TWO_PROOFS,
    async ({ url, instance }) =>
      at(url, { headers: { 'sec-websocket-protocol': `agent-ticket.v1, ${await ticketOf(instance)}` } }),
  ],
  ['an upgrade', 401, 'ticket_missing', ({ url }) => new Request(url, upgrading())],
  [
    'an upgrade with a ticket beside its token',
    400,
    TWO_PROOFS,
    async (good) => new Request(good.url, upgrading(await bearer(good))),
  ],
  [
    'a ticket beside a bad token',
    400,
    TWO_PROOFS,
    async (good) => new Request(withToken(good, 'x'), { headers: await bearer(good) }),
  ],
];

/** What an outsider would like the object to believe, as members of `cf` that the local runtime lets a client set. */
const smuggled = async ({ instance }: Good): Promise<Record<string, unknown>> => {
  const ticketless: Parameters<typeof writeTicketless>[1] = JSON.parse(
    JSON.stringify({
      agent: 'hooked',
      instance,
      principal: SUBJECT,
      role: 'owner',
      scope: ['agent:rpc:*'],
      requestId: 'x',
      ipAddress: null,
      userAgent: null,
    }),
  );
  const command = { op: 'destroy', agent: 'hooked', instance };
  return { ...writeTicketless(undefined, ticketless), agentTicketCommand: command, agentTicketSessions: {} };
};
const CF: readonly Row[] = [
  [
    'a call in its cf and no token',
    401,
    'ticket_missing',
    async (good) => at(good.url.origin + good.url.pathname, { cf: await smuggled(good) }),
  ],
  [
    'a call in its cf and a bad token',
    401,
    INVALID,
    async (good) => at(withToken(good, 'x').url, { cf: await smuggled(good) }),
  ],
];

async function goodOne(instance = newInstance()): Promise<Good> {
  const url = new URL(await urlOf(instance));
  return { instance, url, token: url.searchParams.get(TOKEN_PARAMETER) ?? '' };
}

let now: number;
beforeEach(() => {
  now = newSecond();
});

test.for([...TOKENS, ...METHODS, ...PATHS, ...BESIDE, ...CF])(
  'a callback with %s is refused: %d %s',
  async ([, status, reason, make]) => {
    const good = await goodOne();
    const request = await make(good);
    const answer = await front(request);
    expect([answer.status, reasons()]).toEqual([status, [reason]]);
    expect(await receivedBy(good.instance)).toEqual([]);
    expect(await eventsOf(good.instance)).toEqual([]);
    expect(printed.join('\n')).not.toContain(good.token);
    // The one change was what was wrong with it.
    expect((await front(at(good.url))).status).toBe(200);
  },
);

describe('a callback is let in', () => {
  test('until it expires, and then by no clock of another', async () => {
    const { url, instance } = await goodOne();
    const exp = now + 90 * 24 * 3600;
    vi.setSystemTime((exp - 1) * 1000);
    expect((await front(at(url))).status).toBe(200);
    vi.setSystemTime(exp * 1000);
    expect([(await front(at(url))).status, reasons()]).toEqual([401, ['callback_token_expired']]);
    expect(await receivedBy(instance)).toHaveLength(1);
  });

  test('by the key from before a rotation, as long as that is set', async () => {
    const place = { audience: 'agents.test', agent: 'hooked', instance: 'i', name: 'token' };
    const id = CallbackId.parse(crypto.randomUUID());
    const old = (await tokensOf(PREVIOUS).make(place, id, LATER)) ?? '';
    for (const [keys, isGood] of [
      [[PREVIOUS], true],
      [[CURRENT, PREVIOUS], true],
      [[CURRENT], false],
      [[], false],
    ] as const)
      expect((await tokensOf(...keys).verify(old, place, NOW)).ok).toBe(isGood);
    expect(await tokensOf(CURRENT, PREVIOUS).make(place, id, LATER)).not.toBe(old);
  });

  test('as itself, with any cf and headers, and without members that are not the agent’s', async () => {
    const good = await goodOne();
    const cf = { ...(await smuggled(good)), agentTicket: { claims: { role: 'owner' } } };
    good.url.searchParams.set('_pk', 'mine');
    good.url.searchParams.set('__agents_transport', 'capnweb');
    good.url.searchParams.set('event', '1');
    const headers = {
      cookie: 'session=1',
      authorization: 'Basic Og==',
      'cf-access-jwt-assertion': 'x',
      'x-partykit-room': 'other',
      'x-agents-lifecycle-props': '{}',
      'x-agent-ticket-denial': 'agent_failed',
      upgrade: 'h2c',
      origin: 'https://evil.test',
      'x-own': '1',
    };
    expect((await front(at(good.url, { cf, headers }))).status).toBe(200);
    const [seen] = await receivedBy(good.instance);
    expect(seen).toMatchObject({
      path: 'hooks/token?event=1',
      principal: { principal: 'callback:token', role: 'viewer', scope: ['agent:callback:token'] },
      headers: { 'x-own': '1' },
    });
    for (const name of Object.keys(headers).filter((each) => !['x-own', 'origin'].includes(each)))
      expect(seen?.headers).not.toHaveProperty(name);
  });

  test('and after that by no later expiry, although it is signed under the key', async () => {
    const good = await goodOne();
    const id = CallbackId.parse(good.token.split('.')[2]);
    await runInDurableObject(hooked(good.instance), (_, { storage }) => {
      storage.sql.exec('UPDATE ticket_callbacks SET exp = ? WHERE id = ?', now, id);
    });
    expect((await front(await forged(good, CURRENT, {}, id))).status).toBe(404);
    expect(reasons()).toEqual(['callback_instance_unknown']);
  });

  test('beside tickets, which decide where there is no token', async () => {
    const { url, instance } = await goodOne();
    const headers = { authorization: `Bearer ${await ticketOf(instance)}` };
    expect((await front(at(url.origin + url.pathname, { headers }))).status).toBe(200);
    expect(await receivedBy(instance)).toMatchObject([{ principal: { principal: SUBJECT } }]);
  });

  test('of GET, without a body', async () => {
    const { url, instance } = await goodOne();
    expect((await front(new Request(`${url}&code=x&state=y`))).status).toBe(200);
    expect(await receivedBy(instance)).toMatchObject([
      { method: 'GET', path: 'hooks/token?code=x&state=y', body: '' },
    ]);
    expect(printed.join('\n')).not.toMatch(/code=|state=/);
  });

  test('of OPTIONS by nobody: a preflight is the gate’s own', async () => {
    const { url, instance } = await goodOne();
    expect((await front(new Request(url, { method: 'OPTIONS' }))).status).toBe(204);
    expect(await receivedBy(instance)).toEqual([]);
  });
});
