import { createRandom } from '@agent-ticket/shared/test/random.ts';
import { describe, expect, it } from 'vitest';
import { createHeap } from '../heap.ts';
import { dropOf, partsOf, readCosts, timesOf } from './model.ts';
import { costRows, daysUntilFull, EVENTS, of, rateFor, rowsOf } from './prices.ts';
import { type Deployment, simulateDrop } from './simulate.ts';

const costs = readCosts();

it('events come in the order of their times, and those of one time as they were added', () => {
  const random = createRandom(7);
  const heap = createHeap<[at: number, number: number]>(([a, m], [b, n]) => (a === b ? m < n : a < b));
  const times = Array.from({ length: 2_000 }, () => random.below(50));
  for (const [number, at] of times.entries()) heap.add([at, number]);
  const taken: [number, number][] = [];
  for (let next = heap.take(); next !== undefined; next = heap.take()) taken.push(next);
  const expected = times
    .map((at, number): [number, number] => [at, number])
    .sort(([a, m], [b, n]) => a - b || m - n);
  expect(taken).toEqual(expected);
});

/** Parts that take no time. */
const IDLE: Deployment = {
  sockets: 2_000,
  socketsPerObject: 100,
  shards: 8,
  ms: { shard: 0, read: 0, question: 0, open: 0, recordMint: 0, recordOpen: 0 },
};
const withMs = (ms: Partial<Deployment['ms']>, other: Partial<Deployment> = {}): Deployment => ({
  ...IDLE,
  ...other,
  ms: { ...IDLE.ms, ...ms },
});

describe('a drop of all sockets', () => {
  it('is over after the wait of the clients, where every part is fast', () => {
    const { half, all, mints, refused } = simulateDrop(IDLE);
    // Clients wait three to five seconds after a lost connection.
    expect(half).toBeGreaterThan(3.8);
    expect(half).toBeLessThan(4.2);
    expect(all).toBeLessThanOrEqual(5);
    expect([mints, refused]).toEqual([2_000, 0]);
  });

  it('is the same for the same seed, and another one for another', () => {
    const slow = withMs({ shard: 5 });
    expect(simulateDrop(slow)).toEqual(simulateDrop(slow));
    expect(simulateDrop({ ...slow, seed: 2 })).not.toEqual(simulateDrop(slow));
  });

  it('takes as long as its slowest part needs for all', () => {
    const object = simulateDrop(withMs({ open: 10 }, { socketsPerObject: 2_000 }));
    expect(object.all).toBeGreaterThanOrEqual(3 + 2_000 * 0.01);
    expect(object.all).toBeLessThan(6 + 2_000 * 0.01);
    const record = simulateDrop(withMs({ recordMint: 5, recordOpen: 5 }));
    expect(record.recorded).toBeGreaterThanOrEqual(3 + 2_000 * 0.01);
    // The record database is late, and no client waits for it.
    expect(record.all).toBeLessThanOrEqual(5);
  });

  it('refuses what waits too long or in too great a number, and each client comes back all the same', () => {
    const { refused, mints, all } = simulateDrop(withMs({ shard: 20 }, { shards: 1, sockets: 3_000 }));
    expect(refused).toBeGreaterThan(0);
    expect(mints).toBe(3_000 + refused);
    expect(all).toBeGreaterThanOrEqual(60);
  });

  it('is faster with more shards', () => {
    const times = [1, 8, 64].map(
      (shards) => simulateDrop(withMs({ shard: 5 }, { shards, sockets: 10_000 })).all,
    );
    expect(times.toSorted((a, b) => b - a)).toEqual(times);
    expect(new Set(times).size).toBe(3);
  });

  it('is about the same where each client stands for ten', () => {
    const deployment = { sockets: 20_000, socketsPerObject: 100, shards: 8, ms: timesOf(costs) };
    const [whole, tenth] = [simulateDrop(deployment), simulateDrop({ ...deployment, mostClients: 2_000 })];
    expect(tenth.most / whole.most).toBeGreaterThan(0.8);
    expect(tenth.most / whole.most).toBeLessThan(1.25);
  });
});

describe('the figures of the page', () => {
  it('count every row of a mint, an opening and an end', () => {
    const { mint, open, close } = costs.rows;
    const written = [mint, open, close].map((step) => of(step, 'record.written'));
    for (const rows of written) expect(rows).toBeGreaterThan(1);
    expect(rowsOf(costs).record).toBe(written.reduce((sum, rows) => sum + rows, 0));
  });

  it('have a price for each row, and no other price for a row of D1 than for one of an object', () => {
    const rows = costRows(costs);
    const dollars = (what: string) => rows.find((row) => row.what === what)?.dollars;
    expect(dollars('rows written in D1')).toBeCloseTo(rowsOf(costs).record);
    expect(dollars('rows written in mint shards')).toBeCloseTo(rowsOf(costs).shard);
  });

  it('days and rates are two sides of one size', () => {
    for (const days of [1, 7, 30]) expect(daysUntilFull(costs, rateFor(costs, days))).toBeCloseTo(days);
    expect(daysUntilFull(costs, 1) * 86_400 * EVENTS * costs.bytes.all).toBeCloseTo(10e9);
  });

  it('name the parts in the order in which they are full', () => {
    const most = partsOf(costs).map((part) => part.most);
    expect(most).toEqual(most.toSorted((a, b) => a - b));
    expect(partsOf(costs, 64).find(({ part }) => part.includes('shards'))?.most).toBe(64_000);
  });

  it('ten thousand sockets are back within half a minute', () => {
    expect(dropOf(costs, 10_000).all).toBeLessThan(30);
  });
});
