import { table } from '../check/markdown.ts';
import type { Costs } from './costs.ts';
import { type Drops, partsOf, SIZES, steadyRate } from './model.ts';
import { costRows, daysUntilFull, EVENTS, of, PRICED_ON, rateFor } from './prices.ts';

/** The tables of docs/operate/capacity.md. */

const round = (value: number, digits = 3): string =>
  Number(value.toPrecision(digits)).toLocaleString('en', { maximumFractionDigits: 4 });
const dollars = (value: number): string => value.toFixed(2);

const STEPS = [
  ['mint', 'a ticket'],
  ['refused', 'a request for a ticket that is refused'],
  ['open', 'a socket that opens'],
  ['frame', 'a frame that calls no method'],
  ['call', 'a frame that calls a method'],
  ['renew', 'a renewal, without its mint'],
  ['close', 'the end of a session'],
  ['minute', 'a run of the schedule with nothing to do'],
  ['bareOpen', 'a socket of a bare agent of the SDK'],
] as const;

export function costsTable({ measuredAt, on, times, rows, bytes }: Costs): string {
  const lines = STEPS.map(([name, what]) => {
    const counts = rows[name];
    const object = (...members: string[]): string =>
      round(
        ['shard', 'agent', 'bare']
          .flatMap((kind) => members.map((each) => of(counts, `${kind}.${each}`)))
          .reduce((a, b) => a + b, 0),
      );
    return [
      what,
      round(of(counts, 'control.written') + of(counts, 'record.written')),
      object('written', 'alarms_set'),
      round(of(counts, 'control.read') + of(counts, 'record.read')),
      round(of(counts, 'control.trips') + of(counts, 'record.trips')),
      round(of(counts, 'recorder.requests') + of(counts, 'shard.requests')),
    ];
  });
  const where = `Counted on ${measuredAt.slice(0, 10)} at commit ${on.commit}, with ${times} tickets and sockets. Each row is for one step. An event takes ${round(bytes.all)} bytes of the record database, with its indexes and its share of the rows of sessions. A call takes ${round(bytes.call)} bytes.`;
  const head = [
    'what',
    'rows written in D1',
    'in objects',
    'rows read in D1',
    'trips to D1',
    'calls to shards and recorders',
  ];
  return `${where}\n\n${table(head, lines)}`;
}

/** In dollars, for a million tickets with a session each. */
const millionCost = (costs: Costs): number => costRows(costs).reduce((sum, row) => sum + row.dollars, 0);

export function pricesTable(costs: Costs): string {
  const rows = costRows(costs);
  return `List prices of ${PRICED_ON}.\n\n${table(
    ['for a million tickets with a session each', 'amount for one', 'dollars'],
    [
      ...rows.map(({ what, times, dollars: cost }) => [what, round(times), dollars(cost)]),
      ['**all**', '', `**${dollars(millionCost(costs))}**`],
    ],
  )}`;
}

export const partsTable = (costs: Costs): string =>
  table(
    ['part', 'tickets a second', 'sockets with sessions of an hour', 'remedy'],
    partsOf(costs).map(({ part, most, remedy }) => [
      part,
      round(most),
      // A number of sockets for one object has no use.
      part === 'one object' ? '' : round(most * 3600),
      remedy,
    ]),
  );

export const dropsTable = (drops: Drops): string =>
  table(
    [
      ...[
        'sockets',
        'in one object',
        'shards',
        'half open',
        '99 % open',
        'all open',
        'requests for tickets',
        'refused',
      ],
      'record complete',
    ],
    drops.map(({ sockets, socketsPerObject, shards, half, most, all, mints, refused, recorded }) => [
      ...[sockets, socketsPerObject, shards].map((each) => round(each)),
      ...[half, most, all].map((seconds) => `${round(seconds)} s`),
      ...[mints, refused].map((each) => round(each)),
      `${round(recorded)} s`,
    ]),
  );

const RATES = [0.1, 1, 10, 100];
/** Settings take no fewer than seven. */
const HOT_DAYS = [7, 30, 90];
const SECONDS_OF_MONTH = 30 * 86_400;

export const daysTable = (costs: Costs): string =>
  table(
    ['tickets a second', 'sockets with sessions of an hour', 'events a day', 'days until 10 GB'],
    RATES.map((rate) => [
      String(rate),
      round(rate * 3600),
      round(rate * EVENTS * 86_400),
      round(daysUntilFull(costs, rate)),
    ]),
  );

export const hotDaysTable = (costs: Costs): string =>
  table(
    ['`AUDIT_HOT_DAYS`', 'tickets a second for ever'],
    HOT_DAYS.map((days) => [String(days), round(rateFor(costs, days))]),
  );

/** The steady state of each size: its price, and the share of time for which each part is busy. */
export const steadyTable = (costs: Costs): string =>
  table(
    ['sockets', 'tickets a second', 'dollars a month', ...partsOf(costs).map(({ part }) => part)],
    SIZES.map((sockets) => [
      round(sockets),
      round(steadyRate(sockets)),
      round((millionCost(costs) * steadyRate(sockets) * SECONDS_OF_MONTH) / 1e6),
      ...partsOf(costs).map(({ part, most }) =>
        part === 'one object' ? '' : `${round((100 * steadyRate(sockets)) / most, 2)} %`,
      ),
    ]),
  );
