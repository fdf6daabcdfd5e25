import type { Labels, Measure, SeriesName } from '@agent-ticket/shared/metrics.ts';

/** What passes of one group in a second, in one isolate. */
const PER_SECOND = 20;

/**
 * Passes on so many items of a group in a second. Those above are merged by key, and a later second begins with them. Best
 * effort, like the tally of refusals: what an isolate merged last goes with it. `clock` in ms.
 */
function pace<Item extends object>(
  write: (item: Item) => void,
  clock: () => number,
  rules: {
    readonly groupOf: (item: Item) => string;
    /** Of closed lists, since each key is held in memory for a second. */
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

/** One line for each request: a flood of requests would be a flood of lines. */
const PACED = ['auth_success', 'auth_failure', 'gate_refused'];

/**
 * A log in which the lines of requests are bounded: those above the bound are counted by event, agent and reason. Every
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

/** Counters of requests, for which a flood of requests is no flood of points. Takes no series but counters. */
export function paceMeasure(measure: Measure, clock: () => number): Measure {
  const paced = pace<Point>(({ name, labels, value }) => measure(name, labels, value), clock, {
    groupOf: ({ name }) => name,
    keyOf: ({ name, labels }) => JSON.stringify([name, labels]),
    merge: (point, into) => ({ ...point, value: point.value + (into?.value ?? 0) }),
  });
  return (name, labels = {}, value = 1) => paced({ name, labels, value });
}
