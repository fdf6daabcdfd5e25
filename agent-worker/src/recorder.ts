import { DurableObject } from 'cloudflare:workers';
import { STATEMENT_DEADLINE_MS } from '@agent-ticket/drizzle/deadline.ts';
import { openRecord } from '@agent-ticket/drizzle/record/open-d1.ts';
import { type Arrivals, createArrivals } from './recorder/arrivals.ts';

/** What a recorder needs of a Worker's env. */
interface RecorderEnv {
  readonly RECORD: D1Database;
}

/** Stands between many isolates and the record database: it reads for all of them. Keeps nothing on disk. */
export class RecorderObject extends DurableObject<RecorderEnv> {
  readonly #arrivals = createArrivals({
    listArrived: openRecord(this.env.RECORD, STATEMENT_DEADLINE_MS).revocations.listArrived,
    clock: () => Date.now(),
    log: (event) => console.error(JSON.stringify(event)),
  });

  /** The revocations that arrived in the record database after a number, as gates ask for them. */
  revocationsAfter(arrival: number): Promise<Arrivals> {
    return this.#arrivals(arrival);
  }
}

/** Recorders of a deployment. More write smaller batches; one holds about a thousand hand-overs a second. */
const RECORDERS = 4;

/** The recorder of one isolate, whatever its number: all of them read the same. */
export const recorderAt = (
  recorders: DurableObjectNamespace<RecorderObject>,
  random: number,
): DurableObjectStub<RecorderObject> => recorders.getByName(`recorder-${Math.floor(random * RECORDERS)}`);
