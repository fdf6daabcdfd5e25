import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

/**
 * The whole deployment on virtual time. It runs in a separate process, because it replaces the globals of the process.
 */

/** CI tries the same seeds each time, one half in each of two processes. The long tests try more, and can try new ones. */
const { SIMULATION_SEEDS = '1000', SIMULATION_FIRST = '1' } = process.env;
const MOST_MS = 60 * 60_000;

async function simulate(
  ...words: readonly string[]
): Promise<{ readonly code: number; readonly output: string }> {
  const program = [join(import.meta.dirname, 'simulate.ts'), ...words];
  try {
    return {
      code: 0,
      output: (await promisify(execFile)(process.execPath, program, { maxBuffer: 2 ** 26 })).stdout,
    };
  } catch (error) {
    if (!(error instanceof Error) || !('stdout' in error && 'code' in error)) throw error;
    return { code: Number(error.code), output: String(error.stdout) };
  }
}

it(
  'each promise holds in every run, whatever fails in it',
  async () => {
    const [first, seeds] = [Number(SIMULATION_FIRST), Number(SIMULATION_SEEDS)];
    const half = Math.ceil(seeds / 2);
    const parts = [
      [first, half],
      [first + half, seeds - half],
    ] as const;
    const results = await Promise.all(
      parts.map(([from, count]) => simulate('--seed', `${from}`, '--seeds', `${count}`)),
    );
    for (const [index, { code, output }] of results.entries()) {
      expect(output).toMatch(new RegExp(`^${parts[index]?.[1]} runs: 0 failed`));
      expect(code).toBe(0);
    }
  },
  MOST_MS,
);

it('a seed makes the same run each time, step by step', async () => {
  const [one, other] = await Promise.all(
    [0, 1].map(() => simulate('--seed', '9', '--seeds', '3', '--trace')),
  );
  expect(one?.output).toMatch(/3 runs: 0 failed/);
  expect(one?.output).toBe(other?.output);
  expect(one?.output.split('\n').length).toBeGreaterThan(1_000);
});

it('a fault in the code is found, with the command that repeats the run and the actions that it needs', async () => {
  const { code, output } = await simulate('--seeds', '100', '--first', '--planted', 'outbox-forgets');
  expect(code).toBe(1);
  expect(output).toMatch(/every event arrives/);
  const [, words = ''] = /npm run simulate -- (.*)$/m.exec(output) ?? [];
  expect(words).toMatch(/^--seed \d+ --actions \d+(,\d+){0,3} --trace --planted outbox-forgets$/);
  expect(await simulate(...words.split(' '))).toMatchObject({
    code: 1,
    output: expect.stringMatching(/every event arrives/),
  });
});
