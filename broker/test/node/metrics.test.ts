import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { AuditEvent } from '@agent-ticket/shared/audit-event.ts';
import { LABELS, measureByPoints, SERIES } from '@agent-ticket/shared/metrics.ts';
import { beforeEach, describe, expect, it } from 'vitest';
import { measureGauges } from '../../src/resources/metrics.ts';
import {
  idOf,
  type OperatorBroker,
  type Person,
  ROOT,
  startOperatorBroker,
} from './admin/operator-broker.ts';
import { createWebhook, minute, writeDenials } from './webhooks.ts';

let broker: OperatorBroker;
beforeEach(async () => {
  broker = await startOperatorBroker();
});

const SCRAPER: Person = { sub: 'scraper', permissions: ['metrics:read'] };
const scrape = async (): Promise<string[]> => {
  const answer = await broker.call(SCRAPER, 'GET', '/metrics');
  expect([answer.status, answer.headers.get('content-type')]).toEqual([
    200,
    'text/plain; version=0.0.4; charset=utf-8',
  ]);
  return (await answer.text()).split('\n');
};
/** Lines of one series, without its help. */
const linesOf = (text: readonly string[], name: string): string[] =>
  text.filter((line) => line.startsWith(name) && !line.startsWith('#'));
const ALICE: Person = { sub: 'alice' };

describe('GET /metrics', () => {
  it.each<[string, Person]>([
    ['without the permission', ALICE],
    ['with another permission', { sub: 'reader', permissions: ['audit:read'] }],
  ])('is refused %s', async (_what, who) => {
    expect((await broker.call(who, 'GET', '/metrics')).status).toBe(403);
  });

  it('has each series with help and type, and no other line', async () => {
    await broker.mint(ALICE, 'counter');
    const text = await scrape();
    for (const [name, { help, type, source }] of Object.entries(SERIES)) {
      if (source === 'gate') continue;
      expect(text).toContain(`# HELP ${name} ${help}`);
      expect(text).toContain(`# TYPE ${name} ${type}`);
    }
    const names = Object.keys(SERIES).join('|');
    const line = new RegExp(
      `^(?:${names})(?:_bucket|_sum|_count)?(?:\\{[a-z]+="[^"]*"(?:,[a-z]+="[^"]*")*\\})? [\\d.e+-]+$`,
    );
    for (const each of text.filter((each) => each !== '' && !each.startsWith('#')))
      expect(each).toMatch(line);
  });

  it('counts decisions by outcome, code and agent, one for each ticket of a batch', async () => {
    await broker.mint(ALICE, 'counter');
    await broker.mint(ALICE, 'hidden');
    const requests = [{ agent: 'counter' }, { agent: 'counter', instance: 'two' }];
    await broker.call(ALICE, 'POST', '/tickets/batch', { requests });
    const text = await scrape();
    expect(linesOf(text, 'tickets_total')).toEqual([
      'tickets_total{outcome="issued",code="",agent="counter"} 3',
      expect.stringMatching(/^tickets_total\{outcome="denied",code="[a-z_]+",agent="hidden"\} 1$/),
    ]);
    expect(linesOf(text, 'mint_seconds_count')).toEqual(['mint_seconds_count 3']);
  });

  it('has no series for agents that callers invent', async () => {
    for (let made = 0; made < 20; made += 1) await broker.mint(ALICE, `invented-${made}`);
    expect(linesOf(await scrape(), 'tickets_total')).toEqual([
      'tickets_total{outcome="denied",code="agent_unknown",agent=""} 20',
    ]);
  });

  it('counts revocations, and the time in which sessions ended', async () => {
    await broker.call(ROOT, 'POST', '/admin/locks', {
      ...{ target: { kind: 'principal', id: idOf(ALICE) }, reason: 'test' },
    });
    const text = await scrape();
    expect(linesOf(text, 'revocations_total')).toEqual(['revocations_total{kind="any"} 1']);
    expect(linesOf(text, 'revocation_close_seconds_bucket')[0]).toBe(
      'revocation_close_seconds_bucket{le="0.005"} 1',
    );
  });

  it('has sessions, keys, waiting work and receivers that fail as they are', async () => {
    await broker.openSession({});
    await broker.openSession({ agent: 'lobby' });
    await createWebhook(broker);
    await writeDenials(broker, ['one']);
    await minute(broker);
    const text = await scrape();
    expect(text).toEqual(
      expect.arrayContaining([
        'sessions_open{agent="counter"} 1',
        'sessions_open{agent="lobby"} 1',
        'sessions_open{agent="diary"} 0',
        'outbox_waiting 0',
        'seal_age_seconds 0',
        'signing_key_age_seconds{state="active"} 60',
        'webhooks_failing 1',
        'key_fetches_total{outcome="success"} 1',
      ]),
    );
  });

  it('goes on while the record database is away, without the series that need it', async () => {
    const { record } = broker.ports;
    record.sessions.openOf = async () => Promise.reject(new Error('Network connection lost.'));
    const text = await scrape();
    expect(linesOf(text, 'sessions_open')).toEqual([]);
    expect(linesOf(text, 'signing_key_age_seconds')).toHaveLength(1);
  });

  it('is answered while nothing can be counted, and counts the tickets that nobody got', async () => {
    await broker.mint(ALICE, 'counter');
    const { record } = broker.ports;
    record.rates.count = async () => Promise.reject(new Error('SQLITE_BUSY: database is locked'));
    expect(await broker.mint(ALICE, 'counter')).toBe(503);
    const batch = { requests: [{ agent: 'counter' }, { agent: 'counter', instance: 'two' }] };
    expect((await broker.call(ALICE, 'POST', '/tickets/batch', batch)).status).toBe(503);
    expect(linesOf(await scrape(), 'tickets_total')).toEqual([
      'tickets_total{outcome="issued",code="",agent="counter"} 1',
      'tickets_total{outcome="denied",code="database_unavailable",agent=""} 2',
    ]);
    expect((await broker.call(ALICE, 'GET', '/metrics')).status).toBe(503);
  });

  it('counts these by codes that the alert about them has', async () => {
    const rules = await readFile(
      join(import.meta.dirname, '../../../docs/operate/monitoring/alerts.yml'),
      'utf8',
    );
    const [, codes = ''] = /tickets_total\{outcome="denied",code=~"([a-z_|]+)"\}/.exec(rules) ?? [];
    expect(codes.split('|')).toEqual(['database_unavailable', 'signing_key_missing', 'internal']);
  });

  it('counts a fault of the broker as a ticket that nobody got', async () => {
    const { record } = broker.ports;
    record.rates.count = async () => Promise.reject(new TypeError('a bug'));
    expect(await broker.mint(ALICE, 'counter')).toBe(500);
    expect(linesOf(await scrape(), 'tickets_total')).toEqual([
      'tickets_total{outcome="denied",code="internal",agent=""} 1',
    ]);
  });

  it('shares one reading of the databases among those who scrape at once', async () => {
    const { sessions } = broker.ports.record;
    const { openOf } = sessions;
    let asked = 0;
    sessions.openOf = async (...args) => {
      asked += 1;
      return openOf(...args);
    };
    for (let scraped = 0; scraped < 5; scraped += 1) await scrape();
    expect(asked).toBe(1);
  });
});

describe('points of Analytics Engine', () => {
  it('have the same names, their labels in a fixed order, and a value', () => {
    const points: object[] = [];
    const measure = measureByPoints({ writeDataPoint: (point) => void points.push(point) });
    measure('tickets_total', { agent: 'counter', outcome: 'issued' });
    measure('mint_seconds', {}, 0.25);
    expect(LABELS).toEqual(['outcome', 'code', 'agent', 'kind', 'state', 'reason']);
    expect(points).toEqual([
      {
        indexes: ['tickets_total'],
        blobs: ['tickets_total', 'issued', '', 'counter', '', '', ''],
        doubles: [1],
      },
      { indexes: ['mint_seconds'], blobs: ['mint_seconds', '', '', '', '', '', ''], doubles: [0.25] },
    ]);
    expect(() => measureByPoints(undefined)('outbox_waiting', {}, 1)).not.toThrow();
  });

  it('cost no reading of the databases where no dataset is bound', async () => {
    const { record } = broker.ports;
    record.sessions.openOf = async () => Promise.reject(new Error('it was read'));
    const ports = { ...broker.ports, metricsText: undefined, measure: measureByPoints(undefined) };
    await measureGauges(ports, broker.clock.now * 1000);
  });

  it('are written each minute for gauges, where nobody scrapes', async () => {
    const measured: string[] = [];
    const ports = {
      ...broker.ports,
      metricsText: undefined,
      measure: (name: string) => void measured.push(name),
    };
    await measureGauges(ports, broker.clock.now * 1000);
    expect(measured).toEqual(expect.arrayContaining(['sessions_open', 'outbox_waiting', 'webhooks_failing']));
    await measureGauges({ ...ports, metricsText: broker.ports.metricsText }, broker.clock.now * 1000);
    expect(measured.filter((name) => name === 'outbox_waiting')).toHaveLength(1);
  });
});

describe('what sessions did is counted from the audit log', () => {
  const later = async () => {
    broker.clock.now += 10;
    return scrape();
  };
  const event = (differs: Partial<AuditEvent>) => ({
    event: {
      ...{ eventId: crypto.randomUUID(), at: broker.clock.now * 1000, type: 'session.closed' as const },
      ...{ outcome: 'success' as const, agent: 'counter', ...differs },
    },
  });
  const write = (...events: Partial<AuditEvent>[]) =>
    broker.ports.record.deliver(events.map(event), broker.clock.now * 1000);

  it('from the first scrape on, each event once', async () => {
    await write({ code: 'before' });
    expect(linesOf(await scrape(), 'sessions_closed_total')).toEqual([]);
    await write(
      { code: 'client_closed' },
      { code: 'client_closed' },
      { type: 'session.renewed' },
      { type: 'session.renewed', outcome: 'denied', code: 'ticket_used', details: { count: 3 } },
      { type: 'rpc.denied', outcome: 'denied', details: { frame: 'rpc', count: 59 } },
      { type: 'rpc.denied', outcome: 'denied', agent: 'of-another-registry' },
    );
    const counted = [
      'sessions_closed_total{reason="client_closed"} 2',
      'frames_denied_total{agent="counter"} 59',
      'frames_denied_total{agent=""} 1',
      'renewals_total{outcome="refused"} 3',
      'renewals_total{outcome="renewed"} 1',
    ];
    expect(await later()).toEqual(expect.arrayContaining(counted));
    expect(await later()).toEqual(expect.arrayContaining(counted));
    // Code of an agent may write any text, and any number.
    await write(
      { code: 'locked' },
      { code: 'made up', details: { count: 9e15 } },
      { code: 'made up', details: { count: -5 } },
    );
    expect(linesOf(await later(), 'sessions_closed_total')).toEqual([
      'sessions_closed_total{reason="client_closed"} 2',
      'sessions_closed_total{reason="locked"} 1',
      'sessions_closed_total{reason="other"} 1000001',
    ]);
  });

  it('and goes on where the numbers of a restored database begin earlier', async () => {
    await write({ code: 'finished' }, { code: 'idle' });
    await scrape();
    const { auditLog } = broker.ports.record;
    const last = (await auditLog.bounds())?.last ?? 0;
    auditLog.bounds = async () => ({ first: 1, last: last - 1 });
    await later();
    auditLog.bounds = async () => ({ first: 1, last });
    expect(linesOf(await later(), 'sessions_closed_total')).toEqual([
      'sessions_closed_total{reason="idle"} 1',
    ]);
  });

  it('but requests for sockets that were refused leave no event, so that they have no series here', async () => {
    expect((await scrape()).filter((line) => line.includes('upgrades_total'))).toEqual([]);
  });
});
