import { readFileSync } from 'node:fs';
import { MAX_BATCH } from '@agent-ticket/broker/src/mint/coalesced-read.ts';
import { DEFAULT_SHARDS, MAX_SHARDS } from '@agent-ticket/broker/src/mint/shard.ts';
import * as z from 'zod';
import { COSTS_FILE, Costs } from './costs.ts';
import { of } from './prices.ts';
import { type Deployment, type Recovery, simulateDrop } from './simulate.ts';

/** The figures of the model: counts of `measure.ts`, and times that were measured or that the platform documents. */

export function readCosts(): Costs {
  const read = Costs.safeParse(JSON.parse(readFileSync(COSTS_FILE, 'utf8')));
  if (read.success) return read.data;
  throw new Error(`${COSTS_FILE.pathname} is no measurement: ${z.prettifyError(read.error)}`);
}

export const SIZES = [10_000, 100_000, 1_000_000] as const;
export const SOCKETS_PER_OBJECT = 100;
/** How long a session lasts in the steady state, in seconds. Each begins with a ticket. */
export const SESSION_SECONDS = 3600;

/** The time of each step, in ms. */
export function timesOf({ rows, recordMs }: Pick<Costs, 'rows' | 'recordMs'>): Deployment['ms'] & {
  readonly recordClose: number;
} {
  const perRow = recordMs / of(rows.mint, 'record.written');
  return {
    // Cloudflare documents about 1,000 requests a second for one object; a mint takes 0.5 ms of CPU here.
    shard: 1,
    // docs/reference/performance.md: a round trip to D1, and the time of one question in a read of several.
    read: 1,
    question: 0.006,
    // The same page: CPU time of a connect.
    open: 2.2,
    recordMint: recordMs,
    recordOpen: perRow * of(rows.open, 'record.written'),
    recordClose: perRow * of(rows.close, 'record.written'),
  };
}

export interface Part {
  readonly part: string;
  /** Tickets a second at which the part is busy all the time. Each ticket opens one session. */
  readonly most: number;
  readonly remedy: string;
}

/** The parts. The part that is full first comes first. */
export function partsOf(costs: Costs, shards = DEFAULT_SHARDS): Part[] {
  const ms = timesOf(costs);
  const read = (ms.read + ms.question * MAX_BATCH) / MAX_BATCH;
  const parts = [
    {
      part: 'record database',
      most: 1000 / (ms.recordMint + ms.recordOpen + ms.recordClose),
      remedy:
        'a record database for each group of agent workers; until then, events wait in shards and objects',
    },
    {
      part: `${shards} mint shards`,
      most: (1000 / ms.shard) * shards,
      remedy: `\`SHARDS\`, up to ${MAX_SHARDS}`,
    },
    {
      part: 'control database',
      most: 1000 / read,
      remedy: 'more questions in each read; no change is needed up to this rate',
    },
    { part: 'one object', most: 1000 / ms.open, remedy: 'more instances of the agent' },
  ];
  return parts.toSorted((a, b) => a.most - b.most);
}

/** Tickets a second of so many sockets, if each session begins again after its end. */
export const steadyRate = (sockets: number): number => sockets / SESSION_SECONDS;

/**
 * The drops on the page: each size, the largest with the most shards, and one object for all. They take a minute to
 * simulate.
 */
const DROPS = [
  ...SIZES.map((sockets) => ({ sockets, shards: DEFAULT_SHARDS, socketsPerObject: SOCKETS_PER_OBJECT })),
  { sockets: 1_000_000, shards: MAX_SHARDS, socketsPerObject: SOCKETS_PER_OBJECT },
  { sockets: 10_000, shards: DEFAULT_SHARDS, socketsPerObject: 10_000 },
] as const;

const Drops = z.array(
  z.strictObject({
    sockets: z.int(),
    shards: z.int(),
    socketsPerObject: z.int(),
    half: z.number(),
    most: z.number(),
    all: z.number(),
    mints: z.number(),
    refused: z.number(),
    peak: z.number(),
    behind: z.number(),
    recorded: z.number(),
  }),
);
export type Drops = z.infer<typeof Drops>;

export const DROPS_FILE = new URL('drops.json', import.meta.url);
export const simulateDrops = (costs: Costs): Drops =>
  DROPS.map((drop) => ({ ...drop, ...dropOf(costs, drop.sockets, drop) }));
export const readDrops = (): Drops => Drops.parse(JSON.parse(readFileSync(DROPS_FILE, 'utf8')));

/** The effect of a deploy that drops all sockets. */
export const dropOf = (
  costs: Costs,
  sockets: number,
  { shards = DEFAULT_SHARDS, socketsPerObject = SOCKETS_PER_OBJECT } = {},
): Recovery => simulateDrop({ sockets, socketsPerObject, shards, ms: timesOf(costs) });
