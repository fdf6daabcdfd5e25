import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { coalescedRead, D1_READ_LIMITS, GATHER_QUESTIONS_MS, READ_LIMITS } from './coalesced-read.ts';

const LIMITS = { deadlineMs: 2_000, maxWaiting: 5, maxBatch: 3 };
const OUTAGE = new Error('D1_ERROR: Network connection lost.');
const BUG = new Error('D1_ERROR: no such column: colour: SQLITE_ERROR');

/** A database whose reads the test ends one by one. */
function database(limits: typeof READ_LIMITS = LIMITS) {
  const reads: { questions: readonly string[]; answer(): void; fail(error: Error): void }[] = [];
  const ask = coalescedRead(
    (questions: readonly string[]) =>
      new Promise<string[]>((resolve, reject) => {
        reads.push({
          questions,
          answer: () => resolve(questions.map((question) => `${question}!`)),
          fail: reject,
        });
      }),
    limits,
  );
  return {
    asked: () => reads.map(({ questions }) => questions.join('')),
    /** Ends the oldest read that was not ended, and lets go on what waits for it. */
    async end(how: 'answer' | Error): Promise<void> {
      const read = reads[ended];
      ended += 1;
      if (how === 'answer') read?.answer();
      else read?.fail(how);
      await vi.advanceTimersByTimeAsync(0);
    },
    ask: (question: string) => ask(question).catch((error: Error) => error.message),
    askAll: ask.all,
  };
}
let ended = 0;

beforeEach(() => {
  ended = 0;
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('a coalesced read', () => {
  it('begins at once where none is on its way', () => {
    const { ask, asked } = database();
    void ask('a');
    expect(asked()).toEqual(['a']);
  });

  it('is one for questions that are asked together, and that wait for the one before', async () => {
    const { askAll, ask, asked, end } = database();
    const first = askAll(['a', 'b']);
    expect(asked()).toEqual(['ab']);
    const later = [askAll(['c', 'd']), ask('e'), askAll([])];
    await end('answer');
    expect(asked()).toEqual(['ab', 'cde']);
    await end('answer');
    expect(await first).toEqual(['a!', 'b!']);
    expect(await Promise.all(later)).toEqual([['c!', 'd!'], 'e!', []]);
    void ask('f');
    expect(asked()).toEqual(['ab', 'cde', 'f']);
  });

  it('takes the questions that came during the one before, never one that came after it began', async () => {
    const { ask, asked, end } = database();
    const answers = ['a', 'b', 'c'].map(ask);
    expect(asked()).toEqual(['a']);
    await end('answer');
    expect(asked()).toEqual(['a', 'bc']);
    answers.push(ask('d'));
    await end('answer');
    expect(asked()).toEqual(['a', 'bc', 'd']);
    await end('answer');
    expect(await Promise.all(answers)).toEqual(['a!', 'b!', 'c!', 'd!']);
  });

  it('takes no more questions than fit, oldest first', async () => {
    const { ask, asked, end } = database();
    for (const question of ['a', 'b', 'c', 'd', 'e']) void ask(question);
    await end('answer');
    await end('answer');
    expect(asked()).toEqual(['a', 'bcd', 'e']);
  });

  it('refuses a question as an outage where too many wait, and takes the next when they are fewer', async () => {
    const { ask, end } = database();
    const answers = ['a', 'b', 'c', 'd', 'e', 'f'].map(ask);
    expect(await ask('g')).toBe('the mint shard is overloaded: too many requests queued');
    await end('answer');
    answers.push(ask('h'));
    for (let read = 0; read < 3; read += 1) await end('answer');
    expect(await Promise.all(answers)).toEqual(['a!', 'b!', 'c!', 'd!', 'e!', 'f!', 'h!']);
  });

  it('answers nobody later than the deadline, and asks for nobody who left', async () => {
    const { ask, asked } = database();
    const late = 'database timed out after 2000 ms';
    const first = ask('a');
    await vi.advanceTimersByTimeAsync(1_500);
    const others = ['b', 'c', 'd', 'e'].map(ask);
    await vi.advanceTimersByTimeAsync(500);
    expect(await first).toBe(late);
    // That read was given up, so the next one is on its way.
    expect(asked()).toEqual(['a', 'bcd']);
    await vi.advanceTimersByTimeAsync(1_500);
    expect(await Promise.all(others)).toEqual([late, late, late, late]);
    await vi.advanceTimersByTimeAsync(500);
    expect(asked()).toEqual(['a', 'bcd']);
    void ask('f');
    expect(asked()).toEqual(['a', 'bcd', 'f']);
  });

  it('fails for all of its questions with an outage, and the next ones are asked', async () => {
    const { ask, asked, end } = database();
    const answers = ['a', 'b', 'c'].map(ask);
    await end('answer');
    answers.push(ask('d'));
    await end(OUTAGE);
    await end('answer');
    expect(await Promise.all(answers)).toEqual(['a!', OUTAGE.message, OUTAGE.message, 'd!']);
    expect(asked()).toEqual(['a', 'bc', 'd']);
  });

  it('is repeated one by one where it fails otherwise: the question at fault fails alone', async () => {
    const { ask, asked, end } = database();
    const answers = ['a', 'b', 'c', 'd'].map(ask);
    await end('answer');
    await end(BUG);
    await end('answer');
    await end(BUG);
    await end('answer');
    expect(await Promise.all(answers)).toEqual(['a!', 'b!', BUG.message, 'd!']);
    expect(asked()).toEqual(['a', 'bcd', 'b', 'c', 'd']);
  });

  it('is not repeated for one question, nor on after an outage', async () => {
    const { ask, asked, end } = database();
    const answers = ['a', 'b', 'c', 'd'].map(ask);
    await end(BUG);
    await end(BUG);
    await end('answer');
    await end(OUTAGE);
    expect(await Promise.all(answers)).toEqual([BUG.message, 'b!', OUTAGE.message, OUTAGE.message]);
    expect(asked()).toEqual(['a', 'bcd', 'b', 'c']);
  });
});

describe('a read of D1', () => {
  it('waits for more questions only after one that several questions shared', async () => {
    const { ask, asked, end } = database(D1_READ_LIMITS);
    const answers = ['a', 'b', 'c'].map(ask);
    await end('answer');
    expect(asked()).toEqual(['a', 'bc']);
    await end('answer');
    answers.push(ask('d'));
    expect(asked()).toEqual(['a', 'bc']);
    answers.push(ask('e'));
    await vi.advanceTimersByTimeAsync(GATHER_QUESTIONS_MS);
    expect(asked()).toEqual(['a', 'bc', 'de']);
    await end('answer');
    answers.push(ask('f'));
    await vi.advanceTimersByTimeAsync(GATHER_QUESTIONS_MS);
    await end('answer');
    answers.push(ask('g'));
    expect(asked()).toEqual(['a', 'bc', 'de', 'f', 'g']);
    await end('answer');
    expect(await Promise.all(answers)).toEqual(['a!', 'b!', 'c!', 'd!', 'e!', 'f!', 'g!']);
  });
});

describe('where a read waits for the next turn', () => {
  const turns: (() => void)[] = [];
  const reads: string[] = [];
  const ask = (deadlineMs: number) =>
    coalescedRead(
      async (questions: readonly string[]) => {
        reads.push(questions.join(''));
        return questions;
      },
      { ...READ_LIMITS, deadlineMs, nextTurn: () => new Promise((resolve) => turns.push(resolve)) },
    );
  beforeEach(() => {
    turns.length = 0;
    reads.length = 0;
  });

  it('all questions of the turn share it', async () => {
    const question = ask(2_000);
    const answers = Promise.all(['a', 'b', 'c'].map(question));
    turns[0]?.();
    expect(await answers).toEqual(['a', 'b', 'c']);
    expect(reads).toEqual(['abc']);
  });

  it('there is none when every question has passed its deadline before', async () => {
    const question = ask(100);
    const late = question('a').catch((error: Error) => error.message);
    await vi.advanceTimersByTimeAsync(100);
    expect(await late).toContain('timed out');
    turns[0]?.();
    await vi.advanceTimersByTimeAsync(0);
    const answer = question('b');
    turns[1]?.();
    expect([await answer, reads]).toEqual(['b', ['b']]);
  });
});
