import { describe, expect, it } from 'vitest';
import { startBroker } from './broker.ts';
import { COUNTER, expectRefusal, LOBBY, mint as mintAt, newAddress, type Reply, ticketOf } from './call.ts';
import { eventually, NOW, setClock } from './clock.ts';
import { eventsWith, inLedger, ringAlarms } from './record.ts';
import { makeToken } from './tokens.ts';

const { front } = startBroker();
const mint = (headers: Readonly<Record<string, string>> | undefined, request: object = COUNTER, from?: string) =>
  mintAt(headers, request, { front, ...(from === undefined ? {} : { from }) });
const enter = (from: string) => mint(undefined, LOBBY, from);

/** Sends so many requests at once; how many were let through, and the rest. */
async function flood(times: number, send: () => Promise<Reply>) {
  const replies = await Promise.all(Array.from({ length: times }, send));
  const refused = replies.filter(({ status }) => status === 429);
  return { replies, refused, admitted: times - refused.length };
}

const limits = ({ headers }: Reply) =>
  ['limit', 'remaining', 'reset'].map((name) => headers.get(`x-ratelimit-${name}`));

/** Uses up what an address has. */
const exhaust = (from: string) => flood(30, () => enter(from));

describe('the limit of strangers', () => {
  it('is 30 a minute by address, counted down in every answer', async () => {
    const from = newAddress();
    const told: unknown[] = [];
    for (let i = 0; i < 30; i += 1) told.push(limits(await enter(from)));
    expect(told).toEqual(
      Array.from({ length: 30 }, (_, i) => ['30', String(29 - i), String(NOW + 60)]),
    );
    expect((await enter(from)).status).toBe(429);
  });

  it('refuses with everything that a client needs to come back', async () => {
    const from = newAddress();
    await exhaust(from);
    setClock(13);
    const reply = await enter(from);
    expectRefusal(reply, '429 RATE_LIMITED');
    expect(limits(reply)).toEqual(['30', '0', String(NOW + 60)]);
    expect(reply.headers.get('retry-after')).toBe('47');
  });

  it('is exact when 40 come at once', async () => {
    const from = newAddress();
    const { admitted, replies } = await flood(40, () => enter(from));
    expect(admitted).toBe(30);
    const left = replies.filter(({ status }) => status === 201).map((reply) => Number(limits(reply)[1]));
    expect(left.sort((a, b) => a - b)).toEqual(Array.from({ length: 30 }, (_, i) => i));
  });

  it('begins anew when its minute is over, and not a moment before', async () => {
    const from = newAddress();
    await exhaust(from);
    setClock(59.999);
    expect((await enter(from)).status).toBe(429);
    setClock(60);
    const reply = await enter(from);
    expect([reply.status, ...limits(reply)]).toEqual([201, '30', '29', String(NOW + 120)]);
  });

  it('counts refusals as well, so that nobody asks around', async () => {
    const from = newAddress();
    const { admitted } = await flood(35, () => mint(undefined, { agent: 'lobby', instance: 'other' }, from));
    expect(admitted).toBe(30);
    expect((await enter(from)).status).toBe(429);
  });

  it('tells in a refusal, too, what is left', async () => {
    const reply = await mint(undefined, COUNTER, newAddress());
    expect([reply.status, ...limits(reply)]).toEqual([401, '30', '29', String(NOW + 60)]);
  });

  it('is not that of a principal at the same address', async () => {
    const from = newAddress();
    await exhaust(from);
    const token = await makeToken();
    expect((await mint(token.pair, COUNTER, from)).status).toBe(201);
    expect((await enter(from)).status).toBe(429);
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
    await exhaust(first);
    expect((await enter(second)).status).toBe(same ? 429 : 201);
  });
});

describe('the limit of principals', () => {
  it('of the tier free is 60 a minute, however they present themselves', async () => {
    const token = await makeToken({ tier: 'free' });
    const ways = [token.pair, token.basic, token.bearer];
    let next = 0;
    const { admitted, refused } = await flood(70, () => {
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
    // The counter is moved to its end rather than run there: counting is the same at 30 and 60.
    await inLedger('UPDATE rate_windows SET count = 597 WHERE key = ?', token.principal);
    const { admitted } = await flood(6, () => mint(token.pair));
    expect(admitted).toBe(3);
  });

  it('of the tier admin there is none, and nothing is counted', async () => {
    const token = await makeToken({ tier: 'admin' });
    const { admitted, replies } = await flood(70, () => mint(token.pair, { agent: 'nobody' }));
    expect(admitted).toBe(70);
    expect(new Set(replies.map((reply) => limits(reply).join()))).toEqual(new Set([',,']));
    expect(await inLedger('SELECT key FROM rate_windows WHERE key = ?', token.principal)).toEqual([]);
  });

  it('of one is not that of another', async () => {
    const [one, other] = [await makeToken({ tier: 'free' }), await makeToken({ tier: 'free' })];
    await flood(61, () => mint(one.pair, { agent: 'nobody' }));
    expect((await mint(one.pair)).status).toBe(429);
    expect(limits(await mint(other.pair))).toEqual(['60', '59', String(NOW + 60)]);
  });
});

describe('a request over the limit', () => {
  it('leaves one row in a minute, whatever the flood, and another in the next', async () => {
    const token = await makeToken({ tier: 'free' });
    const rows = async () =>
      (await eventsWith('user_id', token.principal)).filter(({ type }) => type === 'rate.limited');
    await flood(75, () => mint(token.pair, { agent: 'nobody' }));
    await eventually(async () => expect(await eventsWith('user_id', token.principal)).toHaveLength(61));
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
    await flood(65, () => mint(token.pair, { agent: 'nobody' }));
    await eventually(async () => expect(await eventsWith('user_id', token.principal)).toHaveLength(122));
    expect(await rows()).toHaveLength(2);
  });

  it('is answered without a ticket', async () => {
    const from = newAddress();
    const { replies } = await flood(33, () => enter(from));
    const refused = replies.filter(({ status }) => status === 429);
    expect(refused).toHaveLength(3);
    for (const reply of refused) expect(reply.text).not.toContain('eyJ');
    for (const reply of replies.filter(({ status }) => status === 201)) ticketOf(reply);
  });
});

describe('counters', () => {
  it('of minutes that are over do not pile up', async () => {
    const addresses = Array.from({ length: 40 }, newAddress);
    await Promise.all(addresses.map(enter));
    const counted = async () => (await inLedger("SELECT key FROM rate_windows")).length;
    expect(await counted()).toBeGreaterThanOrEqual(40);
    setClock(3600);
    await Promise.all(addresses.map(enter));
    setClock(7200);
    await ringAlarms();
    await eventually(async () => expect(await counted()).toBe(0));
  });
});
