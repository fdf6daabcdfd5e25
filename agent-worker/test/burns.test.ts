import { env } from 'cloudflare:workers';
import { beforeAll, expect, it } from 'vitest';
import { BURNED_TICKETS_TABLE, type BurnDatabase, burnInD1 } from '../src/verify.ts';

/** Single use over a database that any number of isolates share. */

type BurnStatement = ReturnType<BurnDatabase['prepare']>;
const NOW_SECONDS = 1_700_000_000;
let now = NOW_SECONDS * 1000;
const burn = () => burnInD1(env.RECORD, () => now);
const count = async () => (await env.RECORD.prepare('SELECT jti FROM burned_tickets').all()).results.length;

beforeAll(async () => {
  await env.RECORD.exec(BURNED_TICKETS_TABLE);
  await env.RECORD.exec(BURNED_TICKETS_TABLE);
});

it('admits one of fifty that come at the same time, each by an isolate of its own', async () => {
  const all = await Promise.all(Array.from({ length: 50 }, () => burn()('once', NOW_SECONDS + 60)));
  expect(all.filter(Boolean)).toHaveLength(1);
});

it('forgets no ticket that any clock may accept, and then a few with each new one', async () => {
  await env.RECORD.exec('DELETE FROM burned_tickets');
  for (let at = 0; at < 20; at += 1) await burn()(`old-${at}`, NOW_SECONDS + 60);
  now = (NOW_SECONDS + 60 + 59) * 1000;
  expect(await burn()('old-0', NOW_SECONDS + 60)).toBe(false);
  expect(await count()).toBe(20);
  now = (NOW_SECONDS + 60 + 60) * 1000;
  for (const rows of [13, 6, 3]) {
    await burn()(`new-${rows}`, NOW_SECONDS + 600);
    expect(await count()).toBe(rows);
  }
});

it('admits nobody where the table is missing, or the database does not say what it did', async () => {
  await env.RECORD.exec('DROP TABLE burned_tickets');
  await expect(burn()('lost', NOW_SECONDS + 60)).rejects.toThrow('no such table');
  const silent: BurnDatabase = {
    prepare: () => ({ bind: (): BurnStatement => silent.prepare('') }),
    batch: async () => [{ meta: {} }, { meta: {} }],
  };
  await expect(burnInD1(silent)('silent', NOW_SECONDS + 60)).rejects.toThrow('names no number of changes');
});
