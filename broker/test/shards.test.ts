import { env } from 'cloudflare:workers';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { expect, it } from 'vitest';
import { mintShards } from '../src/mint/shard-object.ts';
import { startBroker } from './broker.ts';
import { COUNTER, call, mint, ticketOf } from './call.ts';
import { expectEvents, inShards, ringAlarmOf, shardNumberOf, withoutRecord } from './record.ts';
import { makeToken, type ServiceToken } from './tokens.ts';

const [BEFORE, AFTER] = [64, 2];

const withShards = (shards: number) =>
  startBroker({ runtime: { shard: mintShards(env.MINT_SHARD, shards) } }).front;

/** A token whose shard of before gets no requests any more. */
async function tokenBeyond(): Promise<ServiceToken> {
  for (;;) {
    const token = await makeToken({ tier: 'pro' });
    if ((await shardNumberOf(token.principal, BEFORE)) >= AFTER) return token;
  }
}

it('a shard beyond a smaller number is still counted as waiting, and delivers its events by its own alarm', async () => {
  const token = await tokenBeyond();
  const waiting = async () => {
    const reply = await call('/readyz', { front: withShards(AFTER) });
    return JSON.parse(reply.text).events_waiting;
  };
  await withoutRecord(async () => {
    ticketOf(await mint(token.pair, COUNTER, { front: withShards(BEFORE) }));
    await eventually(async () => expect(await waiting()).toBe(1));
  });
  ticketOf(await mint(token.pair, COUNTER, { front: withShards(AFTER) }));
  expect(await ringAlarmOf(token.principal, BEFORE)).toBe(true);
  await expectEvents(token.principal, ['ticket.issued', 'ticket.issued']);
  expect(await inShards('SELECT id FROM ticket_backlog')).toEqual([]);
  expect(await waiting()).toBe(0);
});

it('all requests of an account go to one shard, and to no more shards than there are', async () => {
  const front = withShards(AFTER);
  const tokens = await Promise.all(Array.from({ length: 8 }, () => makeToken({ tier: 'pro' })));
  await Promise.all(
    [...tokens, ...tokens].map(async ({ pair }) => ticketOf(await mint(pair, COUNTER, { front }))),
  );
  const keys = (await inShards('SELECT key, count FROM rate_windows')).filter(({ key }) =>
    tokens.some(({ principal }) => principal === key),
  );
  expect(keys.map(({ count }) => count)).toEqual(Array(8).fill(2));
});
