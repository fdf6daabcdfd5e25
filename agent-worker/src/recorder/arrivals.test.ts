import { DatabaseTimeout } from '@agent-ticket/drizzle/deadline.ts';
import type { ArrivedRevocation } from '@agent-ticket/drizzle/record/revocations.ts';
import { REVOCATION_FRESH_MS } from '@agent-ticket/shared/revocation.ts';
import { beforeEach, expect, test } from 'vitest';
import { type Arrivals, createArrivals, MOST_HELD } from './arrivals.ts';

const SECOND = 1_000;

const revocationOf = (n: number) =>
  ({ id: `lock-${n}`, rev: n, target: 'agent:counter', kind: 'any', until: null, code: 'locked' }) as const;

/** A record database: what arrived there, in order, and the questions that it got. */
let database: ArrivedRevocation[];
let questions: { readonly after: number; readonly withinMs: number; readonly limit: number }[];
let refuses: Error | undefined;
let now: number;
let ask: (after: number) => Promise<Arrivals>;
let lines: unknown[];

beforeEach(() => {
  [database, questions, lines, refuses, now] = [[], [], [], undefined, 1_700_000_000_000];
  ask = createArrivals({
    async listArrived(after, withinMs, limit) {
      questions.push({ after, withinMs, limit });
      if (refuses !== undefined) throw refuses;
      return database.filter(({ arrival }) => arrival > after).slice(0, limit);
    },
    clock: () => now,
    log: (line) => lines.push(line),
  });
});

/** One more revocation, whose number is ten times its `rev`. */
function arrive(): void {
  const n = database.length + 1;
  database.push({ ...revocationOf(n), arrival: 10 * n });
}
const arrived = (numbers: readonly number[], through: number, ageMs = 0): Arrivals => ({
  kind: 'arrived',
  revocations: numbers.map(revocationOf),
  through,
  ageMs,
});

test('a hundred gates that ask at once cost one read', async () => {
  arrive();
  const answers = await Promise.all(Array.from({ length: 100 }, () => ask(0)));
  expect(answers).toEqual(Array(100).fill(arrived([1], 10)));
  expect(questions).toEqual([{ after: 0, withinMs: REVOCATION_FRESH_MS, limit: MOST_HELD + 1 }]);
});

test('the database is read four times in a second and no more, and answers between say how old they are', async () => {
  const ages: (number | undefined)[] = [];
  for (let ms = 0; ms < SECOND; ms += 50) {
    const answer = await ask(0);
    ages.push(answer.kind === 'arrived' ? answer.ageMs : undefined);
    now += 50;
  }
  expect(questions).toHaveLength(4);
  expect(ages).toEqual(Array(4).fill([0, 50, 100, 150, 200]).flat());
});

test('each read continues where the last one ended, and each gate gets what it does not have', async () => {
  arrive();
  arrive();
  expect(await ask(0)).toEqual(arrived([1, 2], 20));
  now += 250;
  arrive();
  expect(await ask(20)).toEqual(arrived([3], 30));
  expect(await ask(0)).toEqual(arrived([1, 2, 3], 30));
  expect(await ask(30)).toEqual(arrived([], 30));
  now += 250;
  expect(await ask(30)).toEqual(arrived([], 30));
  expect(questions.map(({ after }) => after)).toEqual([0, 20, 30]);
});

test('what can hit no valid ticket any more is forgotten, and not before', async () => {
  arrive();
  await ask(0);
  now += REVOCATION_FRESH_MS;
  arrive();
  expect(await ask(0)).toEqual(arrived([1, 2], 20));
  now += 250;
  expect(await ask(0)).toEqual(arrived([2], 20));
});

test('more than can be held are not read again for half a minute, and then from the start', async () => {
  database = Array.from({ length: MOST_HELD }, (_, n) => ({ ...revocationOf(n + 1), arrival: n + 1 }));
  expect((await ask(0)).kind).toBe('arrived');
  now += 250;
  database.push({ ...revocationOf(MOST_HELD + 1), arrival: MOST_HELD + 1 });
  expect(await ask(0)).toEqual({ kind: 'too_many', forMs: 30 * SECOND });
  expect(lines).toEqual([{ event: 'revocations_too_many' }]);
  now += 29 * SECOND;
  expect(await ask(0)).toEqual({ kind: 'too_many', forMs: SECOND });
  expect(questions).toHaveLength(2);
  database = database.slice(-2);
  now += SECOND;
  expect(await ask(MOST_HELD)).toEqual(arrived([MOST_HELD + 1], MOST_HELD + 1));
  expect(questions.at(-1)?.after).toBe(0);
});

test('an outage is a value, costs four reads in a second as well, and is over when it is over', async () => {
  arrive();
  await ask(0);
  refuses = new DatabaseTimeout(2_000);
  for (let ms = 0; ms < SECOND; ms += 50) {
    now += 50;
    const { kind } = await ask(0);
    if (ms >= 200) expect(kind).toBe('unavailable');
  }
  expect(questions).toHaveLength(5);
  expect(lines).toHaveLength(1);
  refuses = undefined;
  now += 250;
  expect(await ask(0)).toEqual(arrived([1], 10));
});

test('a bug is thrown to those who asked', async () => {
  refuses = new TypeError('no such column');
  await expect(ask(0)).rejects.toThrow(TypeError);
});
