import * as z from 'zod';

/** The counts of `measure.ts`. */
export const COSTS_FILE = new URL('costs.json', import.meta.url);

/** Rows, requests and alarms of one step, by database or object. */
const Each = z.record(z.string(), z.number());

export const Costs = z.object({
  measuredAt: z.iso.datetime(),
  on: z.looseObject({ commit: z.string(), node: z.string() }),
  /** The number of repetitions of each step. */
  times: z.int().positive(),
  rows: z.object({
    mint: Each,
    refused: Each,
    open: Each,
    frame: Each,
    /** A frame that calls a method. The record database has it as an invocation. */
    call: Each,
    renew: Each,
    close: Each,
    /** One run of the schedule with nothing to do, and one run that seals all events of the steps above. */
    minute: Each,
    sealing: Each,
    /** Of a bare agent of the Agents SDK. */
    bareOpen: Each,
    bareClose: Each,
  }),
  /** Time of the record database for the event of a mint, in batches of 500, in ms. Median of three. */
  recordMs: z.number(),
  /** Growth of the record database for the event of a mint, for an event of any kind, and for a call. */
  bytes: z.object({ mint: z.number(), all: z.number(), call: z.number() }),
});
export type Costs = z.infer<typeof Costs>;
