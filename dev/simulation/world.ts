import { AsyncLocalStorage } from 'node:async_hooks';
import { createHash } from 'node:crypto';
// The realm's own: the simulation replaces the global.
import { setImmediate } from 'node:timers';
import { createRandom } from '@agent-ticket/shared/test/random.ts';

export type Random = ReturnType<typeof createRandom>;

/** The clock of one machine: how far it is ahead of the true time, in ms. */
export interface Clock {
  ahead: number;
}

/** One run of one part of the deployment: an isolate or an object in memory. When it is over, nothing of it goes on. */
export interface Life {
  readonly name: string;
  readonly clock: Clock;
  isOver: boolean;
  /** Calls that it is answering; each is told an error when the life ends. */
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

/** How a call between two parts fails, and what its caller is told. */
export interface Link {
  readonly name: string;
  /** The longest usual time of one way, in ms. */
  readonly usualMs: number;
  readonly lost: () => Error;
  /** Whether nothing gets through at present. */
  readonly isAway: () => boolean;
}

/** Probabilities of one call. All 0: a run without faults. */
export interface Faults {
  /** It never arrives. */
  request: number;
  /** It is carried out, and its answer never arrives. */
  answer: number;
  /** One way takes seconds. */
  slow: number;
}

const SLOW_MS = 4_000;

/** A run has some thousands. */
const MOST_STEPS = 50_000;
/** 2027-01-15T08:00:00Z. */
export const START = 1_800_000_000_000;

/**
 * Everything that is not code of the product: time, order, network and chance, all from one seed. Each part draws from a
 * stream of its own, so that a run with fewer actions is otherwise the same.
 */
export function createWorld(
  seed: number,
  /** Told of each answer that nobody gets. */
  discard: (value: unknown) => void,
) {
  const storage = new AsyncLocalStorage<Life>();
  const streams = new Map<string, Random>();
  const heap: Task[] = [];
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

  const isBefore = (a: Task, b: Task): boolean =>
    a.at !== b.at ? a.at < b.at : a.tie !== b.tie ? a.tie < b.tie : a.order < b.order;

  function push(task: Task): void {
    let index = heap.push(task) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || !isBefore(task, above)) break;
      heap[index] = above;
      index = parent;
    }
    heap[index] = task;
  }

  function pop(): Task | undefined {
    const [first] = heap;
    const last = heap.pop();
    if (first === undefined || last === undefined || first === last) return first;
    let index = 0;
    for (;;) {
      const left = 2 * index + 1;
      const [a, b] = [heap[left], heap[left + 1]];
      const child = b !== undefined && a !== undefined && isBefore(b, a) ? left + 1 : left;
      const below = heap[child];
      if (below === undefined || isBefore(last, below)) break;
      heap[index] = below;
      index = child;
    }
    heap[index] = last;
    return first;
  }

  /** Has a life do something after so many ms. What comes at the same moment comes in an order of the seed. */
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
    push(task);
    return task;
  }

  /** Lets every promise that can go on do so. */
  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  /** Runs what comes until a moment, in ms from the start. */
  async function runUntil(end: number): Promise<void> {
    for (;;) {
      const next = heap[0];
      if (next === undefined || next.at > START + end) break;
      pop();
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
   * A call over a link: it and its answer take their time, and may be lost. Work is carried out in the life that is there
   * when it arrives.
   */
  function call<T>(link: Link, label: string, to: () => Life, work: () => T | Promise<T>): Promise<T> {
    const from = current();
    const stream = random(from.name);
    const [there, back] = [1 + stream.below(link.usualMs), 1 + stream.below(link.usualMs)];
    const [losesRequest, losesAnswer] = [stream.chance(faults.request), stream.chance(faults.answer)];
    const [slow, slowMs] = [stream.chance(faults.slow), stream.below(SLOW_MS)];
    return new Promise<T>((resolve, reject) => {
      let isAnswered = false;
      /** `value`: what nobody gets if the caller is gone by then. */
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
    /** As the machine of the present life has it. */
    clock: (): number => now + current().clock.ahead,
    steps: (): number => steps,
    /** Of everything that happened, in its order. */
    digest: (): string => hash.copy().digest('hex'),
    keepTrace(): void {
      keepsTrace = true;
    },
    lines: (): readonly string[] => lines,
  };
}
export type World = ReturnType<typeof createWorld>;
