import { within } from '@agent-ticket/drizzle/deadline.ts';
import { isOutage } from '@agent-ticket/drizzle/outage.ts';

/** A caller that waits longer for its read is answered "unavailable", in ms. */
export const READ_DEADLINE_MS = 2_000;

/** The most questions that may wait. More would pass their deadline, and each holds a request. */
export const MAX_WAITING = 500;

/** The most questions of one batch: each is up to 16 KiB, the largest header, and D1 takes 2 MB of a parameter. */
export const MAX_BATCH = 64;

/** Too many questions wait: an outage, by its message. */
class QueueFull extends Error {
  constructor() {
    super('the mint shard is overloaded: too many requests queued');
    this.name = 'QueueFull';
  }
}

interface Waiting<Question, Answer> {
  readonly question: Question;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

interface Limits {
  /** For one question in all, and for one read. */
  readonly deadlineMs: number;
  readonly maxWaiting: number;
  readonly maxBatch: number;
  /**
   * Waited for before each read, so that more questions share it. `last` is the number of questions of the read before, 0
   * for the first. Left out, or without a promise: the read begins at once.
   */
  readonly nextTurn?: (last: number) => Promise<void> | undefined;
}

export const READ_LIMITS: Limits = {
  deadlineMs: READ_DEADLINE_MS,
  maxWaiting: MAX_WAITING,
  maxBatch: MAX_BATCH,
};

/** How long a read waits for more questions, in ms. A read costs D1 as much as this. */
export const GATHER_QUESTIONS_MS = 2;

/** For D1: a caller alone never waits, and callers who came together once share the next read, too. */
export const D1_READ_LIMITS: Limits = {
  ...READ_LIMITS,
  nextTurn: (last) =>
    last > 1 ? new Promise((resolve) => setTimeout(resolve, GATHER_QUESTIONS_MS)) : undefined,
};

export interface CoalescedRead<Question, Answer> {
  (question: Question): Promise<Answer>;
  /** Several questions that share a read, up to the most of one. */
  all(questions: readonly Question[]): Promise<Answer[]>;
}

/**
 * Answers each question by a read that began after the question came: questions that come during a read wait for the
 * next one and share it. One read is on its way at a time. A read that fails other than by an outage is repeated question
 * by question, so that a question that the database refuses fails alone.
 *
 * Callers wait for a promise that another caller's read resolves. Inside one Durable Object or one Node process that is
 * safe; between requests of a Worker it is not.
 *
 * @param readAll answers in the order of the questions.
 */
export function coalescedRead<Question, Answer>(
  readAll: (questions: readonly Question[]) => Promise<readonly Answer[]>,
  { deadlineMs, maxWaiting, maxBatch, nextTurn }: Limits = READ_LIMITS,
): CoalescedRead<Question, Answer> {
  /** Not sent yet, oldest first. */
  const queue = new Set<Waiting<Question, Answer>>();
  let isReading = false;
  let last = 0;

  const read = async (batch: readonly Waiting<Question, Answer>[]): Promise<void> => {
    const answers = await within(deadlineMs, readAll(batch.map(({ question }) => question)));
    if (answers.length !== batch.length) throw new TypeError('each question has one answer');
    for (const [index, answer] of answers.entries()) batch[index]?.resolve(answer);
  };

  async function readEach(batch: readonly Waiting<Question, Answer>[]): Promise<void> {
    for (const [index, each] of batch.entries()) {
      try {
        await read([each]);
      } catch (error) {
        if (isOutage(error)) return rejectAll(batch.slice(index), error);
        each.reject(error);
      }
    }
  }

  async function readBatch(batch: readonly Waiting<Question, Answer>[]): Promise<void> {
    try {
      await read(batch);
    } catch (error) {
      if (isOutage(error) || batch.length === 1) return rejectAll(batch, error);
      await readEach(batch);
    }
  }

  async function readQueue(): Promise<void> {
    isReading = true;
    while (queue.size > 0) {
      const turn = nextTurn?.(last);
      if (turn !== undefined) await turn;
      const batch = [...queue].slice(0, maxBatch);
      for (const each of batch) queue.delete(each);
      // While the turn was waited for, questions may have passed their deadline.
      if (batch.length > 0) await readBatch(batch);
      last = batch.length;
    }
    isReading = false;
  }

  async function ask(question: Question): Promise<Answer> {
    if (queue.size >= maxWaiting) throw new QueueFull();
    let leave: () => unknown = () => {};
    const answer = new Promise<Answer>((resolve, reject) => {
      const waiting = { question, resolve, reject };
      queue.add(waiting);
      leave = () => queue.delete(waiting);
    });
    if (!isReading) void readQueue();
    try {
      return await within(deadlineMs, answer);
    } finally {
      leave();
    }
  }

  function askAll(questions: readonly Question[]): Promise<Answer[]> {
    const begins = !isReading;
    // None of them begins a read by itself.
    isReading = true;
    const answers = Promise.all(questions.map(ask));
    if (begins) void readQueue();
    return answers;
  }

  return Object.assign(ask, { all: askAll });
}

function rejectAll(waiting: readonly Pick<Waiting<never, never>, 'reject'>[], error: unknown): void {
  for (const { reject } of waiting) reject(error);
}
