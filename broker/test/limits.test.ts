import type { Role, Tier } from '@agent-ticket/shared/names.ts';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { describe, expect, it } from 'vitest';
import { startBroker } from './broker.ts';
import {
  COUNTER,
  call,
  expectRefusal,
  LOBBY,
  mint as mintAt,
  newAddress,
  type Reply,
  refusal,
  ticketOf,
} from './call.ts';
import { NOW, setClock } from './clock.ts';
import { eventsWith, inShards, ringAlarms } from './record.ts';
import { basic, grant, makeToken, newSecret, pair } from './tokens.ts';

const { front } = startBroker();
const mint = (
  headers: Readonly<Record<string, string>> | undefined,
  request: object = COUNTER,
  from?: string,
) => mintAt(headers, request, { front, ...(from === undefined ? {} : { from }) });
const enter = (from: string) => mint(undefined, LOBBY, from);

/** Sends so many requests at once; how many were let through, and the rest. */
async function flood(times: number, send: () => Promise<Reply>) {
  const replies = await Promise.all(Array.from({ length: times }, send));
  // Too many failed credentials are a 401 with a time.
  const refused = replies.filter(({ status, headers }) => status === 429 || headers.has('retry-after'));
  return { replies, refused, admitted: times - refused.length };
}

/** Sends one request for each item at once. */
function eachAtOnce<T>(items: readonly T[], send: (item: T) => Promise<Reply>) {
  const left = [...items];
  return flood(items.length, () => {
    const item = left.shift();
    if (item === undefined) throw new TypeError('there is an item for each request');
    return send(item);
  });
}

const newRoom = (): string => `room-${crypto.randomUUID()}`;

const limits = ({ headers }: Reply) =>
  ['limit', 'remaining', 'reset'].map((name) => headers.get(`x-ratelimit-${name}`));

describe('the limit of anonymous callers', () => {
  it('is 30 a minute by address, counted down in every answer, and then a 429 until the minute is over', async () => {
    const from = newAddress();
    const states: unknown[] = [];
    for (let i = 0; i < 30; i += 1) states.push(limits(await enter(from)));
    expect(states).toEqual(Array.from({ length: 30 }, (_, i) => ['30', String(29 - i), String(NOW + 60)]));

    setClock(13);
    const reply = await enter(from);
    expectRefusal(reply, '429 RATE_LIMITED');
    expect(limits(reply)).toEqual(['30', '0', String(NOW + 60)]);
    expect(reply.headers.get('retry-after')).toBe('47');

    setClock(59.999);
    expect((await enter(from)).status).toBe(429);
    setClock(60);
    const next = await enter(from);
    expect([next.status, ...limits(next)]).toEqual([201, '30', '29', String(NOW + 120)]);
  });

  it('is exact when 40 come at once, and is not that of a principal at the same address', async () => {
    const from = newAddress();
    const { admitted, replies } = await flood(40, () => enter(from));
    expect(admitted).toBe(30);
    const left = replies.filter(({ status }) => status === 201).map((reply) => Number(limits(reply)[1]));
    expect(left.sort((a, b) => a - b)).toEqual(Array.from({ length: 30 }, (_, i) => i));
    for (const reply of replies) {
      if (reply.status === 429) expect(reply.text).not.toContain('eyJ');
      else ticketOf(reply);
    }
    expect((await mint((await makeToken()).pair, COUNTER, from)).status).toBe(201);
    expect((await enter(from)).status).toBe(429);
  });

  it('counts refusals as well, so that nobody asks around', async () => {
    const from = newAddress();
    const { admitted } = await flood(33, () => mint(undefined, { agent: 'lobby', instance: 'other' }, from));
    expect(admitted).toBe(30);
    expect((await enter(from)).status).toBe(429);
  });

  it('sends the rest of the limit in a refusal too', async () => {
    const reply = await mint(undefined, COUNTER, newAddress());
    expect([reply.status, ...limits(reply)]).toEqual([401, '30', '29', String(NOW + 60)]);
  });

  it.each([
    ['another IPv4 address', '192.0.2.1', '192.0.2.2', false],
    ['the same /64', '2001:db8:1:1::1', '2001:db8:1:1:ffff:ffff:ffff:ffff', true],
    ['another /64', '2001:db8:1:2::1', '2001:db8:1:3::1', false],
    ['capitals', '2001:db8:a:b::1', '2001:DB8:A:B::2', true],
    ['leading zeros', '2001:db8:5:6::1', '2001:0db8:0005:0006:0000:0000:0000:0002', true],
    ['no shortening', '2001:db8:7::1', '2001:db8:7:0:0:0:0:2', true],
    ['a dotted end', '2001:db8:9::1', '2001:db8:9::192.0.2.1', true],
    ['IPv4 in IPv6', '198.51.100.7', '::ffff:198.51.100.7', true],
    ['IPv4 in IPv6, in hexadecimal', '198.51.100.8', '::ffff:c633:6408', true],
    ['another IPv4 in IPv6', '::ffff:198.51.100.9', '::ffff:198.51.100.10', false],
  ])('knows %s: %s and %s are one: %s', async (_what, first, second, same) => {
    const left = [limits(await enter(first))[1], limits(await enter(second))[1]];
    expect(left).toEqual(['29', same ? '28' : '29']);
  });
});

describe('the limit of principals', () => {
  it('of the tier free is 60 a minute, however they present themselves', async () => {
    const token = await makeToken({ tier: 'free' });
    const ways = [token.pair, token.basic, token.bearer];
    let next = 0;
    const { admitted, refused } = await flood(64, () => {
      next += 1;
      return mint(ways[next % 3], { agent: 'nobody' }, newAddress());
    });
    expect(admitted).toBe(60);
    expect(new Set(refused.map((reply) => limits(reply)[0]))).toEqual(new Set(['60']));
    expect((await mint(token.pair)).status).toBe(429);
    setClock(60);
    expect((await mint(token.pair)).status).toBe(201);
  });

  it('of the tier pro is 600 a minute', async () => {
    const token = await makeToken({ tier: 'pro' });
    const first = await mint(token.pair);
    expect([first.status, ...limits(first)]).toEqual([201, '600', '599', String(NOW + 60)]);
    // The counter is moved near its end rather than run there: counting is the same at 30 and 60.
    await inShards('UPDATE rate_windows SET count = 597 WHERE key = ?', token.principal);
    const { admitted } = await flood(6, () => mint(token.pair));
    expect(admitted).toBe(3);
  });

  it('of the tier admin there is none, and nothing is counted', async () => {
    const token = await makeToken({ tier: 'admin' });
    const { replies } = await flood(10, () => mint(token.pair));
    expect(new Set(replies.map((reply) => `${reply.status} ${limits(reply).join()}`))).toEqual(
      new Set(['201 ,,']),
    );
    expect(await inShards('SELECT key FROM rate_windows WHERE key = ?', token.principal)).toEqual([]);
  });

  it('of one is not that of another', async () => {
    const [one, other] = [await makeToken({ tier: 'free' }), await makeToken({ tier: 'free' })];
    await flood(3, () => mint(one.pair));
    expect(limits(await mint(other.pair))).toEqual(['60', '59', String(NOW + 60)]);
    expect(limits(await mint(one.pair))).toEqual(['60', '56', String(NOW + 60)]);
  });
});

it('batches at once by the worker that ships are let through up to the limit, each as a whole, with one event of the refusal', async () => {
  const token = await makeToken({ tier: 'free' });
  const json = { requests: Array.from({ length: 20 }, () => COUNTER) };
  const replies = await Promise.all(
    Array.from({ length: 5 }, () => call('/tickets/batch', { headers: token.pair, json })),
  );
  expect(replies.map(({ status }) => status).sort()).toEqual([200, 200, 200, 429, 429]);
  for (const { status, text } of replies)
    if (status === 200) expect(text.match(/"ticket":/g)).toHaveLength(20);
  await eventually(async () => {
    const types = (await eventsWith('user_id', token.principal)).map(({ type }) => type);
    expect(types.filter((type) => type === 'ticket.issued')).toHaveLength(60);
    expect(types.filter((type) => type === 'rate.limited')).toHaveLength(1);
    expect(types).toHaveLength(61);
  });
});

describe('the limit of new instances', () => {
  const roomsOf = (count: number) =>
    Array.from({ length: count }, () => ({ ...COUNTER, instance: newRoom() }));

  it('of the tier free is 20 names an hour on agents that are open, exactly, with a 429 until the first is an hour old', async () => {
    const token = await makeToken({ tier: 'free' });
    const rooms = roomsOf(40);
    const { replies, admitted } = await eachAtOnce(rooms, (room) => mint(token.pair, room));
    expect(admitted).toBe(20);
    const refused = replies.find(({ status }) => status === 429);
    if (refused === undefined) throw new Error('nothing was refused');
    expectRefusal(refused, '429 RATE_LIMITED');
    expect(refused.headers.get('retry-after')).toBe('3600');
    expect(refused.text).not.toContain('eyJ');
    await eventually(async () => {
      const types = (await eventsWith('user_id', token.principal)).map(({ type }) => type);
      expect(types.filter((type) => type === 'ticket.issued')).toHaveLength(20);
      expect(types.filter((type) => type === 'rate.limited')).toHaveLength(1);
      expect(types).toHaveLength(21);
    });

    // Names that have a mark go on, in the next minute as well.
    setClock(61);
    const known = rooms.filter((_, index) => replies[index]?.status === 201);
    expect((await eachAtOnce(known, (room) => mint(token.pair, room))).admitted).toBe(20);
    const [fresh] = roomsOf(1);
    const late = await mint(token.pair, fresh);
    expect([late.status, late.headers.get('retry-after')]).toEqual([429, '3539']);
    setClock(3600);
    expect((await mint(token.pair, fresh)).status).toBe(201);
  });

  it.each<[what: string, tier: Tier, role: Role | undefined, limit: number]>([
    ['of the tier pro is 200', 'pro', undefined, 200],
    ['of the tier admin there is none', 'admin', undefined, 210],
    ['does not count what a grant decides', 'pro', 'admin', 210],
    ['counts where a grant gives no more than the agent gives all', 'pro', 'viewer', 200],
  ])('%s', async (_what, tier, role, limit) => {
    const token = await makeToken({ tier });
    if (role !== undefined) await grant(token.principal, { role });
    // In flights: a shard that has more to do than it can in two seconds refuses some for that.
    let admitted = 0;
    for (let flight = 0; flight < 7; flight += 1)
      admitted += (await eachAtOnce(roomsOf(30), (room) => mint(token.pair, room))).admitted;
    expect(admitted).toBe(limit);
  });

  it('counts no names that an agent lists, and none of a request that is refused', async () => {
    const token = await makeToken({ tier: 'free' });
    await mint(token.pair, LOBBY);
    await mint(token.pair, { ...COUNTER, instance: newRoom(), scope: 'agent:state:write' });
    expect(
      await inShards('SELECT key FROM rate_windows WHERE key LIKE ?', `instance:${token.principal}%`),
    ).toEqual([]);
  });
});

describe('failed credentials', () => {
  it('are let try 30 times a minute by client id, whatever its spelling and wherever from', async () => {
    const token = await makeToken();
    const id = token.clientId;
    const wrong = newSecret();
    const ways = [() => pair(id, wrong), () => basic(id, wrong), () => basic(escaped(id), wrong)];
    let next = 0;
    const { admitted } = await flood(34, () => {
      next += 1;
      return mint(ways[next % 3]?.());
    });
    expect(admitted).toBe(30);
    expectRefusal(await mint(pair(id, newSecret())), '401 UNAUTHORIZED');
    expect(Number((await mint(pair(id, newSecret()))).headers.get('retry-after'))).toBe(60);
  });

  it('lock nobody out who has the right one', async () => {
    const token = await makeToken();
    await flood(34, () => mint(pair(token.clientId, newSecret())));
    ticketOf(await mint(token.pair));
  });

  it('are let try again in the next minute', async () => {
    const token = await makeToken();
    await flood(31, () => mint(pair(token.clientId, newSecret())));
    setClock(60);
    expect(refusal(await mint(pair(token.clientId, newSecret())))).toBe('401 UNAUTHORIZED');
  });
});

const escaped = (text: string): string =>
  [...text].map((letter) => `%${letter.charCodeAt(0).toString(16)}`).join('');

describe('a request over the limit', () => {
  it('leaves one row in a minute, whatever the flood, and another in the next', async () => {
    const from = newAddress();
    const rows = async () =>
      (await eventsWith('ip_address', from)).filter(({ type }) => type === 'rate.limited');
    await flood(36, () => enter(from));
    await eventually(async () => expect(await eventsWith('ip_address', from)).toHaveLength(31));
    expect(await rows()).toEqual([
      expect.objectContaining({
        type: 'rate.limited',
        outcome: 'denied',
        code: 'rate_limited',
        jti: null,
        at: NOW * 1000,
      }),
    ]);
    setClock(61);
    await flood(33, () => enter(from));
    await eventually(async () => expect(await eventsWith('ip_address', from)).toHaveLength(62));
    expect(await rows()).toHaveLength(2);
  });
});

describe('counters', () => {
  it('of minutes that are over do not pile up', async () => {
    const addresses = Array.from({ length: 20 }, newAddress);
    await Promise.all(addresses.map(enter));
    const counted = async () => {
      const keys = (await inShards('SELECT key FROM rate_windows')).map(({ key }) => key);
      return addresses.filter((address) => keys.includes(`address:${address}`)).length;
    };
    expect(await counted()).toBe(20);
    setClock(7200);
    await eventually(async () => {
      await ringAlarms();
      expect(await counted()).toBe(0);
    });
  });
});
