import { expect, it } from 'vitest';
import { repeat } from './repeat.ts';

/** A promise and the function that resolves it. */
function deferred() {
  let resolve = (): void => {};
  const promise = new Promise<void>((open) => {
    resolve = open;
  });
  return { promise, resolve };
}

/** A clock that each pause advances, and runs of the given lengths in ms. */
function scenario(lengths: readonly number[]) {
  let now = 0;
  const starts: number[] = [];
  let running = 0;
  let most = 0;
  const done = deferred();
  const repeating = repeat(
    async () => {
      starts.push(now);
      running += 1;
      most = Math.max(most, running);
      await Promise.resolve();
      now += lengths[starts.length - 1] ?? 0;
      running -= 1;
      if (starts.length === lengths.length) done.resolve();
    },
    60,
    {
      clock: () => now,
      wait: (ms) => {
        if (starts.length === lengths.length) {
          const { promise, resolve } = deferred();
          return { over: promise, cancel: resolve };
        }
        now += ms;
        return { over: Promise.resolve(), cancel: () => {} };
      },
    },
  );
  return { starts, most: () => most, done: done.promise, stop: repeating.stop };
}

it('work begins at once and then in steps, however long it takes', async () => {
  const { starts, done, stop } = scenario([0, 10, 59, 0]);
  await done;
  await stop();
  expect(starts).toEqual([0, 60, 120, 180]);
});

it('a run that takes longer than the interval is followed at once, and no two runs overlap', async () => {
  const { starts, most, done, stop } = scenario([150, 0, 0]);
  await done;
  await stop();
  expect([starts, most()]).toEqual([[0, 150, 210], 1]);
});

it('a stop waits for the run under way, and for no pause', async () => {
  const gate = deferred();
  const events: string[] = [];
  const repeating = repeat(
    async () => {
      events.push('begun');
      await gate.promise;
      events.push('over');
    },
    60,
    { clock: () => 0, wait: () => ({ over: new Promise(() => {}), cancel: () => {} }) },
  );
  const stopped = repeating.stop().then(() => events.push('stopped'));
  gate.resolve();
  await stopped;
  expect(events).toEqual(['begun', 'over', 'stopped']);
});
