import { parseJson } from '@agent-ticket/shared/parse-json.ts';
import { isBadValue } from '../outage.ts';
import type { RecordFact } from '../record/deliver.ts';
import type { RecordStore } from '../record/store.ts';
import type { Backlog, BacklogItem } from './backlog.ts';

/** D1 takes 100 bound parameters a statement and any number of statements a batch; this keeps a batch short. */
const BATCH_FACTS = 50;

/** Notes a fact for the record database. Durable with the rest of the object's current event. */
export const enqueue = (backlog: Backlog, fact: RecordFact): void => backlog.add(JSON.stringify(fact));

/** When the oldest fact came to be that waits, in ms; `undefined` where none does or it is none. */
export function waitingSince(backlog: Backlog): number | undefined {
  const [oldest] = backlog.oldest(1);
  const fact = oldest === undefined ? undefined : parseJson(oldest.fact);
  if (!isFact(fact)) return undefined;
  const at: unknown = fact.event?.at ?? fact.invocation?.startedAt;
  return Number.isSafeInteger(at) ? Number(at) : undefined;
}

/** A fact that can never be delivered, and why. Nothing of its contents is said. */
export interface SetAside {
  /** Its id among what was set aside. */
  readonly id: number;
  readonly why: 'not_json' | 'not_a_fact' | 'refused';
  /** How many this object has set aside in all. */
  readonly count: number;
}

interface DrainPorts {
  readonly backlog: Backlog;
  readonly record: RecordStore;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  /** A fact was set aside, so that those behind it arrive. Somebody should look at it. */
  readonly onSetAside: (fact: SetAside) => void;
}

/**
 * Empties the backlog into the record database, oldest first. Rejects when the database does; what was not
 * acknowledged stays, and delivering it again is harmless. What can never be delivered is set aside and kept. Must
 * not run twice at once on one object.
 */
export async function drain(ports: DrainPorts): Promise<void> {
  const { backlog, record, clock } = ports;
  for (;;) {
    const items = readFacts(ports, backlog.oldest(BATCH_FACTS));
    const last = items.at(-1);
    if (last === undefined) {
      if (backlog.count() === 0) return;
      continue;
    }
    try {
      await record.deliver(
        items.map(({ fact }) => fact),
        clock(),
      );
    } catch (error) {
      if (!isBadValue(error)) throw error;
      await deliverEach(ports, items);
      continue;
    }
    backlog.removeThrough(last.id);
  }
}

interface ReadItem {
  readonly id: number;
  readonly fact: RecordFact;
}

/** One fact of a batch is refused for what it says, and the whole batch with it: so one by one. */
async function deliverEach(ports: DrainPorts, items: readonly ReadItem[]): Promise<void> {
  const { backlog, record, clock } = ports;
  for (const { id, fact } of items) {
    try {
      await record.deliver([fact], clock());
      backlog.removeThrough(id);
    } catch (error) {
      if (!isBadValue(error)) throw error;
      setAside(ports, id, 'refused');
    }
  }
}

/** The facts of some items. What is none is set aside. */
export function readFacts(
  ports: Pick<DrainPorts, 'backlog' | 'onSetAside'>,
  items: readonly BacklogItem[],
): ReadItem[] {
  return items.flatMap(({ id, fact: text }) => {
    // One bad row must not keep others from being read.
    const fact = parseJson(text);
    if (isFact(fact)) return [{ id, fact }];
    setAside(ports, id, fact === undefined ? 'not_json' : 'not_a_fact');
    return [];
  });
}

/** Moves a fact that can never be delivered out of the way of those behind it. */
export function setAside(
  { backlog, onSetAside }: Pick<DrainPorts, 'backlog' | 'onSetAside'>,
  id: number,
  why: SetAside['why'],
): void {
  onSetAside({ ...backlog.setAside(id), why });
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;

/** Whether it is one of the two kinds; what its members say the database checks. */
const isFact = (value: unknown): value is RecordFact =>
  isObject(value) &&
  (('event' in value && isObject(value.event)) || ('invocation' in value && isObject(value.invocation)));
