import type { RecordFact } from '@agent-ticket/drizzle/record/deliver.ts';
import { describe, expect, test } from 'vitest';
import { createBatches } from './batches.ts';

const fact = (name: number): RecordFact => ({
  event: { eventId: String(name), at: 0, type: 'session.opened', outcome: 'success' },
});
const facts = (...names: readonly number[]) => names.map(fact);
const BAD = Object.assign(new Error('NOT NULL constraint failed'), { code: 'SQLITE_CONSTRAINT' });
const DONE = { revoked: [], refused: [] };

/** A recorder whose collecting time ends when the test says so, over a database that refuses some facts. */
function recorder(refuses: (names: readonly number[]) => Error | undefined = () => undefined) {
  const written: number[][] = [];
  const tries: number[][] = [];
  const collecting: (() => void)[] = [];
  const batches = createBatches({
    deliver: async (given) => {
      const names = given.map(({ event }) => Number(event?.eventId));
      tries.push(names);
      const error = refuses(names);
      if (error !== undefined) throw error;
      written.push(names);
      return [];
    },
    clock: () => 0,
    wait: () => new Promise((resolve) => collecting.push(() => resolve())),
  });
  return { add: batches.add, written, tries, collected: () => collecting.shift()?.() };
}

describe('a recorder', () => {
  test('merges what several objects hand over into one batch, and acknowledges after it', async () => {
    const { add, written, collected } = recorder();
    const answers = [add(facts(1, 2)), add(facts(3)), add(facts(4))];
    expect(written).toEqual([]);
    collected();
    expect(await Promise.all(answers)).toEqual([DONE, DONE, DONE]);
    expect(written).toEqual([[1, 2, 3, 4]]);
  });

  test('writes batches of bounded size, one hand-over never in two', async () => {
    const { add, written, collected } = recorder();
    const many = Array.from({ length: 300 }, (_, name) => name);
    const answers = [add(facts(...many)), add(facts(...many)), add(facts(7))];
    collected();
    await Promise.all(answers);
    expect(written.map(({ length }) => length)).toEqual([300, 301]);
  });

  test('lets what comes while it writes wait for more again', async () => {
    const { add, written, collected } = recorder();
    const first = add(facts(1));
    collected();
    const later = [first.then(() => add(facts(2))), first.then(() => add(facts(3)))];
    await first;
    await Promise.resolve();
    expect(written).toEqual([[1]]);
    collected();
    expect(await Promise.all(later)).toEqual([DONE, DONE]);
    expect(written).toEqual([[1], [2, 3]]);
  });

  test('takes more than a batch has from one object', async () => {
    const { add, written, collected } = recorder();
    const answer = add(Array.from({ length: 600 }, (_, name) => fact(name)));
    collected();
    expect(await answer).toEqual(DONE);
    expect(written).toHaveLength(1);
  });

  test.for<[bad: readonly number[]]>([[[3]], [[1, 6]], [[1, 2, 3, 4, 5, 6]]])(
    'writes all but the facts that the database refuses for a value, and names these to their object: %j',
    async ([bad = []]) => {
      const { add, written, collected } = recorder((names) =>
        names.some((name) => bad.includes(name)) ? BAD : undefined,
      );
      const answers = [add(facts(1, 2, 3)), add(facts(4, 5, 6))];
      collected();
      const positions = (of: readonly number[]) =>
        of.flatMap((name, position) => (bad.includes(name) ? [position] : []));
      expect(await Promise.all(answers)).toEqual([
        { revoked: [], refused: positions([1, 2, 3]) },
        { revoked: [], refused: positions([4, 5, 6]) },
      ]);
      expect(written.flat()).toEqual([1, 2, 3, 4, 5, 6].filter((name) => !bad.includes(name)));
    },
  );

  test('acknowledges nothing of a batch that an outage stopped, and takes the next one', async () => {
    let isAway = true;
    const { add, collected } = recorder(() => (isAway ? new Error('D1_ERROR: overloaded') : undefined));
    const lost = [add(facts(1)), add(facts(2))];
    collected();
    expect(await Promise.all(lost)).toEqual([{ failed: expect.any(String) }, { failed: expect.any(String) }]);
    isAway = false;
    const again = add(facts(1));
    collected();
    expect(await again).toEqual(DONE);
  });

  test('tells an outage during the search for a bad value from the value', async () => {
    const { add, tries, collected } = recorder((names) =>
      names.length > 1 ? BAD : new Error('D1_ERROR: overloaded'),
    );
    const answer = add(facts(1, 2));
    collected();
    expect(await answer).toEqual({ failed: expect.any(String) });
    expect(tries).toEqual([[1, 2], [1]]);
  });

  test('takes no more than it may hold, and more again when that is written', async () => {
    const { add, collected } = recorder();
    const waiting = Array.from({ length: 100 }, () =>
      add(facts(...Array.from({ length: 100 }, (_, name) => name))),
    );
    expect(await add(facts(1))).toEqual({ failed: expect.any(String) });
    collected();
    await Promise.all(waiting);
    const answer = add(facts(1));
    collected();
    expect(await answer).toEqual(DONE);
  });
});
