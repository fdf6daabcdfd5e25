import { describe, expect, it } from 'vitest';
import { readOptions, UsageError } from './options.ts';
import type { Row } from './row.ts';

const row = (name: string, isQuick: boolean): Row => ({
  name,
  does: '',
  unit: '/s',
  better: 'more',
  isQuick,
  ours: async () => async () => 1,
  floors: [],
});
const ROWS = [row('mint', true), row('connect', true), row('memory', false)];
const names = (...args: string[]) => readOptions(args, ROWS).rows.map(({ name }) => name);

describe('the rows of a run', () => {
  it.each([
    ['all by default', [], ['mint', 'connect', 'memory']],
    ['the quick ones', ['--quick'], ['mint', 'connect']],
    ['those of --only in the order of the table', ['--only', 'memory,mint'], ['mint', 'memory']],
    ['those of --only also when they are not quick', ['--quick', '--only', 'memory'], ['memory']],
  ])('are %s', (_case, args, expected) => expect(names(...args)).toEqual(expected));
});

it('a quick run has fewer and shorter rounds, unless it says how many', () => {
  const [full, quick] = [readOptions([], ROWS), readOptions(['--quick'], ROWS)];
  expect(quick.rounds).toBeLessThan(full.rounds);
  expect(quick.forMs).toBeLessThan(full.forMs);
  expect(readOptions(['--quick', '--rounds', '9'], ROWS).rounds).toBe(9);
});

it.each([
  ['an unknown row', ['--only', 'mint,mnt'], 'no row is called mnt. The rows are mint, connect, memory'],
  ['an unknown option', ['--onyl', 'mint'], /'--onyl'.*--json, --quick, --rounds, --only, --against, --save/],
  ['an argument without an option', ['mint'], /'mint'.*--only/],
  ['an option without its value', ['--only'], /--only.*The options are/],
  ['no number of rounds', ['--rounds', 'many'], '--rounds takes a whole number from 1 on, not "many"'],
  ['no rounds', ['--rounds', '0'], '--rounds takes'],
])('%s is refused with those that there are', (_case, args, message) => {
  expect(() => readOptions(args, ROWS)).toThrow(UsageError);
  expect(() => readOptions(args, ROWS)).toThrow(message);
});
