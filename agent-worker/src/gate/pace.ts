import type { Labels, Measure, SeriesName } from '@agent-ticket/shared/metrics.ts';

/** Items of one group that one isolate writes in a second. */
const PER_SECOND = 20;

/**
 * Writes up to {@link PER_SECOND} items of a group in a second. Further items are merged by key, and written at the
 * beginning of a later second. Best effort, like the counts of refusals: if an isolate ends, its merged items are lost.
 * `clock` in ms.
 */
function pace<Item extends object>(
  write: (item: Item) => void,
  clock: () => number,
  rules: {
    readonly groupOf: (item: Item) => string;
    /** Made of values from closed lists, because memory holds each key for a second. */
    readonly keyOf: (item: Item) => string;
    readonly merge: (item: Item, into: Item | undefined) => Item;
  },
): (item: Item) => void {
  let second = 0;
  const written = new Map<string, number>();
  const merged = new Map<string, Item>();

  function turn(): void {
    const now = Math.floor(clock() / 1000);
    if (now === second) return;
    second = now;
    const over = [...merged.values()];
    written.clear();
    merged.clear();
    for (const item of over) write(item);
  }

  return (item) => {
    turn();
    const group = rules.groupOf(item);
    const sofar = written.get(group) ?? 0;
    if (sofar < PER_SECOND) {
      written.set(group, sofar + 1);
      return write(item);
    }
    const key = rules.keyOf(item);
    merged.set(key, rules.merge(item, merged.get(key)));
  };
}

type Line = Readonly<Record<string, unknown>>;

/** Events with one line for each request: a flood of requests would be a flood of lines. */
const PACED = ['auth_success', 'auth_failure', 'gate_refused'];

/**
 * A log that limits the lines of requests. Lines above the limit are merged and counted by event, agent and reason. Every
 * other line is written at once.
 */
export function paceLog(log: (line: Line) => void, clock: () => number): (line: Line) => void {
  const paced = pace<Line>(log, clock, {
    groupOf: ({ event }) => String(event),
    keyOf: ({ event, agent, reason }) => JSON.stringify([event, agent, reason]),
    merge: ({ event, agent, reason, auth_method }, into) => ({
      ...{ event, agent, reason, auth_method },
      count: (typeof into?.count === 'number' ? into.count : 0) + 1,
    }),
  });
  return (line) => (PACED.includes(String(line.event)) ? paced(line) : log(line));
}

interface Point {
  readonly name: SeriesName;
  readonly labels: Labels;
  readonly value: number;
}

/** A measure for counters of requests: a flood of requests does not cause a flood of points. Accepts only counters. */
export function paceMeasure(measure: Measure, clock: () => number): Measure {
  const paced = pace<Point>(({ name, labels, value }) => measure(name, labels, value), clock, {
    groupOf: ({ name }) => name,
    keyOf: ({ name, labels }) => JSON.stringify([name, labels]),
    merge: (point, into) => ({ ...point, value: point.value + (into?.value ?? 0) }),
  });
  return (name, labels = {}, value = 1) => paced({ name, labels, value });
}
