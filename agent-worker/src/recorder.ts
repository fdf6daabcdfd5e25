import { DurableObject } from 'cloudflare:workers';
import { STATEMENT_DEADLINE_MS } from '@agent-ticket/drizzle/deadline.ts';
import type { RecordFact } from '@agent-ticket/drizzle/record/deliver.ts';
import { openRecord } from '@agent-ticket/drizzle/record/open-d1.ts';
import { type Arrivals, createArrivals } from './recorder/arrivals.ts';
import { createBatches, type Recorded } from './recorder/batches.ts';

/** What a recorder needs of a Worker's env. */
interface RecorderEnv {
  readonly RECORD: D1Database;
}

/**
 * Stands between the agents' objects and the record database, which has one thread: however many objects there are, few
 * recorders write, and read for all isolates. Keeps nothing on disk: an object keeps each fact until it is acknowledged,
 * which happens after the batch that wrote it.
 */
export class RecorderObject extends DurableObject<RecorderEnv> {
  readonly #record = openRecord(this.env.RECORD);
  readonly #batches = createBatches({
    deliver: (facts, now) => this.#record.deliver(facts, now),
    clock: () => Date.now(),
    wait: (ms) => scheduler.wait(ms),
  });
  readonly #arrivals = createArrivals({
    listArrived: openRecord(this.env.RECORD, STATEMENT_DEADLINE_MS).revocations.listArrived,
    clock: () => Date.now(),
    log: (event) => console.error(JSON.stringify(event)),
  });

  deliver(facts: readonly RecordFact[]): Promise<Recorded> {
    return this.#batches.add(facts);
  }

  /** The revocations that arrived in the record database after a number, as gates ask for them. */
  revocationsAfter(arrival: number): Promise<Arrivals> {
    return this.#arrivals(arrival);
  }
}

/** Recorders of a deployment. More write smaller batches; one holds about a thousand hand-overs a second. */
const RECORDERS = 4;

const recorderNumber = (
  recorders: DurableObjectNamespace<RecorderObject>,
  number: number,
): DurableObjectStub<RecorderObject> => recorders.getByName(`recorder-${number % RECORDERS}`);

/** The recorder of one object, always the same one: its facts arrive in order. */
export const recorderOf = (
  recorders: DurableObjectNamespace<RecorderObject>,
  objectId: string,
): DurableObjectStub<RecorderObject> => recorderNumber(recorders, Number.parseInt(objectId.slice(-8), 16));

/** The recorder of one isolate, any of them: all read the same. `random` is at least 0 and less than 1. */
export const recorderAt = (
  recorders: DurableObjectNamespace<RecorderObject>,
  random: number,
): DurableObjectStub<RecorderObject> => recorderNumber(recorders, Math.floor(random * RECORDERS));
