import type { Costs } from './costs.ts';

/** The cost of a ticket at Cloudflare, beyond the amounts that the paid plan includes. */

/** List prices in US dollars, as in Cloudflare's documentation on this day. */
export const PRICED_ON = '2026-11-30';
export const PRICES = {
  /** For each million. */
  workerRequests: 0.3,
  cpuMs: 0.02,
  objectRequests: 0.15,
  rowsWritten: 1,
  rowsRead: 0.001,
  /** For each million of GB-seconds of an object, which has 128 MB. */
  objectGigabyteSeconds: 12.5,
  /** For each GB of Workers Logs, by the price that begins on 1 December 2026. */
  logGigabytes: 0.25,
} as const;
const OBJECT_GB = 0.128;

/** Assumptions about values that nobody can measure here. The page names each of them. */
export const ASSUMED = {
  /** CPU of the broker for a mint and of the gate for an upgrade. */
  mintCpuMs: 3,
  upgradeCpuMs: 2,
  /** Frames that a client sends in a session; twenty are billed as one request. */
  frames: 20,
  renewals: 0,
  /** Time for which a mint keeps its shard awake: the wait for other mints, and the write. */
  shardSeconds: 0.15,
  /**
   * The same for a session and its object: 50 ms and a batch of the recorder at the opening, 1 s and a batch at the
   * end.
   */
  objectSeconds: 1.6,
  recorderSeconds: 0.25,
  /** Lines of the log, with what the platform adds to each. */
  logLines: 2,
  logLineBytes: 1500,
} as const;

export interface CostRow {
  readonly what: string;
  readonly times: number;
  /** Dollars for a million tickets. */
  readonly dollars: number;
}

/** A count by its name. 0: there was no such count. */
export const of = (counts: Readonly<Record<string, number>>, name: string): number => counts[name] ?? 0;

/** Rows written for one ticket that opens one session, by database or object. */
export function rowsOf({ rows }: Pick<Costs, 'rows'>) {
  const steps = [rows.mint, rows.open, rows.close];
  const sum = (name: string): number => steps.reduce((total, step) => total + of(step, name), 0);
  return {
    record: sum('record.written'),
    shard: sum('shard.written') + sum('shard.alarms_set'),
    agent: sum('agent.written') + sum('agent.alarms_set'),
    read: sum('control.read') + sum('record.read') + sum('shard.read') + sum('agent.read'),
  };
}

/** The costs of a million tickets that each open one session. */
export function costRows(costs: Pick<Costs, 'rows'>): CostRow[] {
  const { record, shard, agent, read } = rowsOf(costs);
  const { mint, open, close, frame } = costs.rows;
  const requests =
    of(mint, 'shard.requests') +
    of(mint, 'shard.alarms') +
    1 +
    ASSUMED.frames / 20 +
    of(open, 'agent.alarms') +
    of(close, 'agent.alarms') +
    of(open, 'recorder.requests') +
    of(close, 'recorder.requests') +
    ASSUMED.frames * of(frame, 'recorder.requests');
  const seconds = ASSUMED.shardSeconds + ASSUMED.objectSeconds + ASSUMED.recorderSeconds;
  const logGigabytes = (ASSUMED.logLines * ASSUMED.logLineBytes * 1e6) / 1e9;
  const row = (what: string, times: number, price: number): CostRow => ({
    what,
    times,
    dollars: times * price,
  });
  return [
    row('requests to workers: mint and upgrade', 2, PRICES.workerRequests),
    row('CPU, in ms', ASSUMED.mintCpuMs + ASSUMED.upgradeCpuMs, PRICES.cpuMs),
    row('requests to objects', requests, PRICES.objectRequests),
    row('rows written in D1', record, PRICES.rowsWritten),
    row('rows written in mint shards', shard, PRICES.rowsWritten),
    row('rows written in objects of agents', agent, PRICES.rowsWritten),
    row('rows read', read, PRICES.rowsRead),
    row('seconds of objects', seconds, PRICES.objectGigabyteSeconds * OBJECT_GB),
    { what: 'log', times: ASSUMED.logLines, dollars: logGigabytes * PRICES.logGigabytes },
  ];
}

/** Events of one ticket that opens one session: issued, used, opened, closed. */
export const EVENTS = 4;
/** The largest size of one D1 database, in bytes. */
const D1_BYTES = 10e9;
const DAY_SECONDS = 86_400;

/** Days until a database is full at so many tickets a second, if no event is deleted or moved. */
export const daysUntilFull = ({ bytes }: Pick<Costs, 'bytes'>, perSecond: number): number =>
  D1_BYTES / (bytes.all * EVENTS * perSecond * DAY_SECONDS);

/** The most tickets a second if the database keeps events for so many days. */
export const rateFor = ({ bytes }: Pick<Costs, 'bytes'>, days: number): number =>
  D1_BYTES / (bytes.all * EVENTS * days * DAY_SECONDS);
