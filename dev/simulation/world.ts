import { AsyncLocalStorage } from 'node:async_hooks';
import { createHash } from 'node:crypto';
// The real function, because the simulation replaces the global one.
import { setImmediate } from 'node:timers';
import { createRandom } from '@agent-ticket/shared/test/random.ts';
import { createHeap } from '../heap.ts';

export type Random = ReturnType<typeof createRandom>;

/** The clock of one machine. `ahead`: its difference from the true time, in ms. */
export interface Clock {
  ahead: number;
}

/** An isolate or an object from its start in memory to its end. None of its work continues after the end. */
export interface Life {
  readonly name: string;
  readonly clock: Clock;
  isOver: boolean;
  /** The unfinished calls to it. Each fails with an error at the end. */
  readonly answering: Set<(error: Error) => void>;
}

interface Task {
  readonly at: number;
  readonly tie: number;
  readonly order: number;
  readonly life: Life;
  readonly label: string;
  readonly run: () => unknown;
  isCancelled: boolean;
}

/** A connection between two parts, and the error that a caller gets when it fails. */
export interface Link {
  readonly name: string;
  /** The longest usual time of one direction, in ms. */
  readonly usualMs: number;
  readonly lost: () => Error;
  /** Whether the connection is down at present. */
  readonly isAway: () => boolean;
}

/** Probabilities of faults of one call. All are 0 in a run without faults. */
export interface Faults {
  /** The request never arrives. */
  request: number;
  /** The work is done, and its answer never arrives. */
  answer: number;
  /** The request takes seconds. */
  slow: number;
}

const SLOW_MS = 4_000;

/** A normal run has some thousands. */
const MOST_STEPS = 50_000;
/** 2027-01-15T08:00:00Z. */
export const START = 1_800_000_000_000;

/** One for all runs: a context keeps an entry for each storage that ever ran in it, and the next one copies them all. */
const storage = new AsyncLocalStorage<Life>();

/**
 * Everything around the code of the product: time, order of events, network and randomness, all from one seed. Each part
 * has its own stream of random numbers, so a run with fewer actions is otherwise the same.
 */
export function createWorld(
  seed: number,
  /** Called with each answer that no caller gets. */
  discard: (value: unknown) => void,
) {
  const streams = new Map<string, Random>();
  const tasks = createHeap<Task>((a, b) =>
    a.at !== b.at ? a.at < b.at : a.tie !== b.tie ? a.tie < b.tie : a.order < b.order,
  );
  const hash = createHash('sha256');
  const lines: string[] = [];
  const faults: Faults = { request: 0, answer: 0, slow: 0 };
  let [now, order, steps] = [START, 0, 0];
  let keepsTrace = false;

  function random(name: string): Random {
    const known = streams.get(name);
    if (known !== undefined) return known;
    const stream = createRandom(createHash('sha256').update(`${seed} ${name}`).digest().readInt32LE(0));
    streams.set(name, stream);
    return stream;
  }

  const startLife = (name: string, clock: Clock = { ahead: 0 }): Life => ({
    name,
    clock,
    isOver: false,
    answering: new Set(),
  });
  const outside = startLife('outside');
  const current = (): Life => storage.getStore() ?? outside;

  function endLife(life: Life, error: Error = new Error('Network connection lost.')): void {
    life.isOver = true;
    for (const tell of [...life.answering]) tell(error);
    life.answering.clear();
  }

  function trace(text: string): void {
    const line = `${now - START} ${current().name}: ${text}`;
    hash.update(line);
    if (keepsTrace) lines.push(line);
  }

  /** Runs work of a life after so many ms. The seed decides the order of work at the same moment. */
  function later(
    ms: number,
    life: Life,
    label: string,
    run: () => unknown,
    stream = random(life.name),
  ): Task {
    const tie = stream.below(1_000);
    order += 1;
    const task = { at: now + Math.max(0, ms), tie, order, life, label, run, isCancelled: false };
    tasks.add(task);
    return task;
  }

  /** Waits until no resolved promise has work left. */
  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  /** Runs all tasks up to a moment, in ms from the start. */
  async function runUntil(end: number): Promise<void> {
    for (;;) {
      const next = tasks.first();
      if (next === undefined || next.at > START + end) break;
      tasks.take();
      if (next.isCancelled || next.life.isOver) continue;
      now = Math.max(now, next.at);
      steps += 1;
      if (steps > MOST_STEPS) throw new Error(`the run does not end: ${next.life.name}: ${next.label}`);
      storage.run(next.life, () => {
        trace(next.label);
        next.run();
      });
      await settle();
    }
    now = Math.max(now, START + end);
  }

  /**
   * A call over a link. The call and its answer take time, and may be lost. The work runs in the life that exists when the
   * call arrives.
   */
  function call<T>(link: Link, label: string, to: () => Life, work: () => T | Promise<T>): Promise<T> {
    const from = current();
    const stream = random(from.name);
    const [there, back] = [1 + stream.below(link.usualMs), 1 + stream.below(link.usualMs)];
    const [losesRequest, losesAnswer] = [stream.chance(faults.request), stream.chance(faults.answer)];
    const [slow, slowMs] = [stream.chance(faults.slow), stream.below(SLOW_MS)];
    return new Promise<T>((resolve, reject) => {
      let isAnswered = false;
      /** `value`: the answer, which is discarded if the caller has ended by then. */
      const answer = (ms: number, how: string, tell: () => void, value?: T): void => {
        if (isAnswered) {
          discard(value);
          return;
        }
        isAnswered = true;
        later(
          ms,
          outside,
          `${how} ${link.name} ${label} of ${from.name}`,
          () => (from.isOver ? discard(value) : storage.run(from, tell)),
          stream,
        );
      };
      const lose = (how: string): void => answer(back + slowMs, how, () => reject(link.lost()));
      if (losesRequest || link.isAway()) return lose('lost');
      later(there + (slow ? slowMs : 0), outside, `${link.name} ${label}`, () => {
        if (link.isAway()) return lose('lost');
        const fail = (error: unknown): void => answer(back, 'failed', () => reject(error));
        let life: Life;
        try {
          life = to();
        } catch (error) {
          return fail(error);
        }
        life.answering.add(fail);
        storage.run(life, () => {
          Promise.resolve()
            .then(work)
            .finally(() => life.answering.delete(fail))
            .then((value) => {
              const isLost = losesAnswer || link.isAway();
              if (!isLost) return answer(back, 'answered', () => resolve(value), value);
              discard(value);
              lose('unanswered');
            }, fail);
        });
      });
    });
  }

  return {
    seed,
    faults,
    random,
    startLife,
    endLife,
    current,
    within: <T>(life: Life, work: () => T): T => storage.run(life, work),
    later,
    runUntil,
    settle,
    call,
    trace,
    /** True time, in ms. */
    time: (): number => now,
    /** The time of the clock of the current machine, in ms. */
    clock: (): number => now + current().clock.ahead,
    steps: (): number => steps,
    /** Digest of all events, in order. */
    digest: (): string => hash.copy().digest('hex'),
    keepTrace(): void {
      keepsTrace = true;
    },
    lines: (): readonly string[] => lines,
  };
}
export type World = ReturnType<typeof createWorld>;
