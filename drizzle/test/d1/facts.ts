import { asc } from 'drizzle-orm';
import { expect } from 'vitest';
import type { Backlog } from '../../object/backlog.ts';
import { createDelivery } from '../../object/delivery.ts';
import { enqueue, type SetAside } from '../../object/drain.ts';
import type { RecordDatabase } from '../../record/revocations.ts';
import { auditEvents } from '../../record/schema.ts';
import type { RecordStore } from '../../record/store.ts';
import { auditEvent, NOW, uuidOf } from '../suite/rows.ts';
import { type OnBatch, recordWith } from './faulty-record.ts';

/** Facts by small numbers, on their way from a backlog into the record database. */

export const LOST = new Error('D1_ERROR: Network connection lost.');
export const PASS: OnBatch = (call) => call();

export const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

export function add(backlog: Backlog, ...names: readonly number[]): void {
  for (const name of names) enqueue(backlog, { event: auditEvent({ eventId: uuidOf(name) }) });
}

/** What arrived, in the order of arrival, which must have no hole and no repeat. */
export async function arrivedIn(record: RecordDatabase): Promise<number[]> {
  const rows = await record.select().from(auditEvents).orderBy(asc(auditEvents.seq));
  expect(rows.map(({ seq }) => seq)).toEqual(rows.map((_, index) => index + 1));
  return rows.map(({ eventId }) => Number.parseInt(eventId.slice(-12), 16));
}

export const portsOf = (
  backlog: Backlog,
  record: RecordStore,
  onSetAside: (fact: SetAside) => void = (fact) => {
    throw new Error(`set aside: ${fact.why}`);
  },
) => ({ backlog, record, clock: () => NOW, onSetAside });

/** A delivery with everything that it did outside of itself. */
export function watched(
  backlog: Backlog,
  onBatch: OnBatch,
  ports: Partial<Parameters<typeof createDelivery>[0]> = {},
) {
  const works: Promise<void>[] = [];
  const failures: unknown[] = [];
  const aside: SetAside[] = [];
  const faulty = recordWith(onBatch);
  const delivery = createDelivery({
    backlog,
    openRecord: () => faulty.record,
    clock: () => NOW,
    keepAlive: (work) => works.push(work),
    onSetAside: (fact) => aside.push(fact),
    onFailure: async (error) => {
      failures.push(error);
    },
    ...ports,
  });
  return { ...delivery, works, failures, aside, batches: faulty.batches };
}
