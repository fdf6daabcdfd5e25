import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { measureByPoints, SERIES } from '@agent-ticket/shared/metrics.ts';
import type { PointSink } from '@agent-ticket/shared/security-events.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';

/**
 * The queries of the dashboard for Analytics Engine, by ClickHouse in this process (chDB), on points that the own code
 * writes. Analytics Engine itself runs at Cloudflare alone: it speaks a part of the same dialect.
 */

const DASHBOARD = new URL(
  '../../../docs/operate/monitoring/analytics-engine-dashboard.json',
  import.meta.url,
);
const Dashboard = z.object({
  panels: z.array(z.object({ title: z.string(), targets: z.array(z.object({ query: z.string() })) })),
});
const { panels } = Dashboard.parse(JSON.parse(await readFile(DASHBOARD, 'utf8')));
const queries = panels.flatMap(({ title, targets }) => targets.map(({ query }) => [title, query] as const));

/** Functions and words of the queries that Cloudflare's reference of the SQL API names, as of November 2026. */
const DOCUMENTED = [
  ...['argmax', 'intdiv', 'max', 'now', 'quantileexactweighted', 'sum', 'touint32'],
  ...[
    'select',
    'as',
    'from',
    'where',
    'and',
    'in',
    'interval',
    'hour',
    'day',
    'minute',
    'group',
    'by',
    'order',
  ],
];
const NAMES = ['agent_ticket_metrics', 'timestamp', '_sample_interval', 'index1', 'double1'];

describe('the queries of the dashboard', () => {
  it.each(queries)('%s: names nothing that the SQL API does not have', (_title, query) => {
    const aliases = [...query.matchAll(/\bAS (\w+)/g)].map(([, alias = '']) => alias);
    const words = query.replaceAll(/'[^']*'/g, '').match(/[A-Za-z_]\w*/g) ?? [];
    const isKnown = (word: string): boolean =>
      [...NAMES, ...aliases].includes(word) ||
      DOCUMENTED.includes(word.toLowerCase()) ||
      /^blob[1-7]$/.test(word);
    expect(words.filter((word) => !isKnown(word))).toEqual([]);
  });

  it('ask for each series that is counted or read, and for no other', () => {
    const asked = queries.flatMap(([, query]) => query.match(/'[a-z]+(_[a-z]+)+'/g) ?? []);
    expect([...new Set(asked.map((name) => name.slice(1, -1)))].sort()).toEqual(Object.keys(SERIES).sort());
  });
});

interface Session {
  query(text: string, format?: string): string;
  cleanup(): void;
}
const Package = z.object({ Session: z.custom<new () => Session>((value) => typeof value === 'function') });

/** A folder in which the npm package `chdb` is installed: with some 550 MB it is no dependency. */
const FOLDER = process.env.CHDB;
if (FOLDER === undefined) console.warn('CHDB names no folder: the queries for Analytics Engine do not run');

const VALUES: Parameters<ReturnType<typeof measureByPoints>>[] = [
  ['tickets_total', { outcome: 'issued', agent: 'counter' }],
  ['tickets_total', { outcome: 'denied', code: 'grant_missing', agent: 'chat' }],
  ['mint_seconds', {}, 0.02],
  ['upgrades_total', { outcome: 'admitted', agent: 'counter' }],
  ['upgrades_total', { outcome: 'denied', code: 'ticket_used', agent: 'counter' }],
  ['sessions_closed_total', { reason: 'client_closed' }],
  ['frames_denied_total', { agent: 'counter' }, 19],
  ['renewals_total', { outcome: 'renewed' }],
  ['revocations_total', { kind: 'any' }],
  ['revocation_close_seconds', {}, 0.3],
  ['key_fetches_total', { outcome: 'success' }],
  ['sessions_open', { agent: 'counter' }, 3],
  ['outbox_waiting', {}, 1],
  ['record_backlog_events', {}, 2],
  ['record_backlog_age_seconds', {}, 400],
  ['seal_age_seconds', {}, 20],
  ['signing_key_age_seconds', { state: 'active' }, 60],
  ['webhooks_failing', {}, 0],
];
/** What one point stands for. */
const SAMPLED = 4;

const Row = z.looseObject({ value: z.coerce.number() });

describe.skipIf(FOLDER === undefined)('by ClickHouse', () => {
  let session: Session;
  const ask = (query: string) =>
    session
      .query(query, 'JSONEachRow')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => Row.parse(JSON.parse(line)));

  beforeAll(() => {
    const load = createRequire(join(FOLDER ?? '', 'package.json'));
    session = new (Package.parse(load('chdb')).Session)();
    const columns = [
      ...['timestamp DateTime', '_sample_interval UInt32', 'index1 String'],
      ...Array.from({ length: 20 }, (_, n) => [`blob${n + 1} String`, `double${n + 1} Float64`]).flat(),
    ];
    session.query(`CREATE TABLE agent_ticket_metrics (${columns.join(', ')}) ENGINE = Memory`);
    const text = (value: string): string => `'${value}'`;
    const sink: PointSink = {
      writeDataPoint({ indexes, blobs, doubles }) {
        const names = [...blobs.keys()].map((n) => `blob${n + 1}`);
        session.query(
          `INSERT INTO agent_ticket_metrics (timestamp, _sample_interval, index1, ${names.join(', ')}, double1)
           VALUES (now(), ${SAMPLED}, ${text(indexes[0])}, ${blobs.map(text).join(', ')}, ${doubles[0]})`,
        );
      },
    };
    const measure = measureByPoints(sink);
    for (const point of VALUES) measure(...point);
  });
  afterAll(() => session.cleanup());

  it.each(queries)('%s: finds what was written', (_title, query) => {
    const rows = ask(query);
    expect(rows.length).toBeGreaterThan(0);
    // Every label that a query names is there: a label at another place would be empty.
    for (const row of rows)
      for (const [name, value] of Object.entries(row)) expect([name, value]).not.toEqual([name, '']);
  });

  it('counts are multiplied by what a point stands for, and times are not', () => {
    const valueIn = (title: string) => ask(queries.find(([name]) => name === title)?.[1] ?? '')[0]?.value;
    expect(valueIn('Ends of sessions in an hour')).toBe(SAMPLED);
    expect(valueIn('Refused frames a second by agent')).toBeCloseTo((19 * SAMPLED) / 60);
    expect(valueIn('Time of a request for a ticket')).toBe(0.02);
    expect(valueIn('Live sessions by agent')).toBe(3);
  });
});
