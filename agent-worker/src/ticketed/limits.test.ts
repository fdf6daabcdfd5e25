import { expect, test } from 'vitest';
import { createFrameQueue, createRates, frameRate } from './limits.ts';

/** What the stock client queues before a socket is open. */
const STOCK_QUEUE = 25;

test.each([1, 5, 20, 100])(
  'at %i a second, a burst goes at once, the frames of a second wait, and the next is one too many',
  (perSecond) => {
    const rates = createRates();
    const waits = Array.from({ length: 300 }, () => rates.take('a', frameRate(perSecond), 0));
    const atOnce = waits.filter((ms) => ms === 0).length;
    expect(atOnce).toBe(Math.max(32, perSecond));
    expect(atOnce).toBeGreaterThanOrEqual(STOCK_QUEUE);
    const later = waits.filter((ms) => ms !== undefined && ms > 0);
    expect(later).toEqual(
      Array.from({ length: perSecond }, (_, n) => Math.ceil(((n + 1) / perSecond) * 1000)),
    );
    expect(waits.slice(atOnce + perSecond).every((ms) => ms === undefined)).toBe(true);
  },
);

test('what waited has its turn, and the bucket fills again', () => {
  const rates = createRates();
  for (let n = 0; n < 37; n += 1) rates.take('a', frameRate(5), 0);
  expect(rates.take('a', frameRate(5), 0)).toBeUndefined();
  expect(rates.take('a', frameRate(5), 1000)).toBe(200);
  expect(rates.take('a', frameRate(5), 10_000)).toBe(0);
  expect(rates.take('b', frameRate(5), 0)).toBe(0);
});

test('above its number of buckets, the one that was used longest ago is forgotten', () => {
  const rates = createRates(2);
  const slow = { perSecond: 0.001, burst: 1 };
  const allow = (id: string) => rates.allow(id, slow, 0);
  expect([allow('a'), allow('b'), allow('a')]).toEqual([true, true, false]);
  // `b` goes, since `a` came again.
  expect([allow('c'), allow('a'), allow('b')]).toEqual([true, false, true]);
  // Only now `c` went, and then `a`.
  expect([allow('c'), allow('a')]).toEqual([true, true]);
});

/** A queue whose clock the test moves. */
function open() {
  const sleeping: { ms: number; wake: () => void }[] = [];
  const queue = createFrameQueue((ms) => new Promise((wake) => sleeping.push({ ms, wake })));
  const passed: string[] = [];
  const send = (name: string, ms: number, bytes = 10) =>
    queue.pass('a', ms, bytes, 100).then((isIn) => passed.push(isIn ? name : `${name} refused`));
  return { sleeping, passed, send };
}

test('frames go on in the order in which they came, also one whose time had come before', async () => {
  const { sleeping, passed, send } = open();
  const all = [send('first', 200), send('second', 400), send('third', 0)];
  expect(sleeping.map(({ ms }) => ms)).toEqual([200, 400, 0]);
  for (const { wake } of sleeping.toReversed()) wake();
  await Promise.all(all);
  expect(passed).toEqual(['first', 'second', 'third']);
  await send('after them', 0);
  expect(sleeping).toHaveLength(3);
});

test('no more bytes wait than one frame may have', async () => {
  const { sleeping, passed, send } = open();
  const all = [send('most', 200, 90), send('too much', 400, 20)];
  for (const { wake } of sleeping) wake();
  await Promise.all(all);
  expect(passed.toSorted()).toEqual(['most', 'too much refused']);
});
