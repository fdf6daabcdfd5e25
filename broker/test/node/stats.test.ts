import { beforeEach, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { sealAudit } from '../../src/audit/sealer.ts';
import { type OperatorBroker, type Person, ROOT, startOperatorBroker } from './admin/operator-broker.ts';
import { bodyOf } from './answers.ts';
import { NOW } from './start-broker.ts';

let broker: OperatorBroker;
const ALICE: Person = { sub: 'alice' };
const time = (seconds: number) => new Date((NOW + seconds) * 1000).toISOString();

beforeEach(async () => {
  broker = await startOperatorBroker();
});

const Point = z.strictObject({
  at: z.string(),
  tickets: z.strictObject({ issued: z.int(), denied: z.int() }),
  refusals: z.array(
    z.strictObject({ code: z.string().nullable(), agent: z.string().nullable(), count: z.int() }),
  ),
  sessions: z.strictObject({ opened: z.int(), closed: z.int(), live: z.int() }),
});
const Series = z.strictObject({
  ...{ step: z.string(), from: z.string(), to: z.string(), counted_from: z.string().nullable() },
  items: z.array(Point),
});
const ask = (query: string, who: Person = ROOT) => broker.call(who, 'GET', `/admin/stats${query}`);
const series = async (query: string) => Series.parse(await bodyOf(await ask(query)));

describe('GET /admin/stats', () => {
  it('counts tickets and refusals of each minute', async () => {
    await broker.mint(ALICE, 'counter', 'main');
    await broker.mint(ALICE, 'hidden', 'main');
    broker.clock.now = NOW + 60;
    await broker.mint(ALICE, 'counter', 'main');
    await broker.mint(ALICE, 'made-up', 'main');
    const { items } = await series(`?from=${time(0)}&to=${time(120)}`);
    expect(items.map(({ at, tickets, refusals }) => ({ at, ...tickets, refusals }))).toEqual([
      {
        at: time(0),
        issued: 1,
        denied: 1,
        refusals: [{ code: 'agent_invisible', agent: 'hidden', count: 1 }],
      },
      { at: time(60), issued: 1, denied: 1, refusals: [{ code: 'agent_unknown', agent: null, count: 1 }] },
    ]);
  });

  it('says from when on it counts every ticket and refusal, where older events are in the database no more', async () => {
    expect((await series('')).counted_from).toBeNull();
    const sealed: number[] = [];
    for (let minute = 0; minute < 3; minute += 1) {
      await broker.mint(ALICE, 'counter', 'main');
      broker.clock.now += 60;
      const checkpoint = await sealAudit(broker.ports, broker.clock.now * 1000);
      sealed.push(checkpoint?.through ?? 0);
    }
    await broker.ports.record.auditLog.purge(sealed[1] ?? 0, 500);
    const { counted_from: from, items } = await series(`?from=${time(0)}&to=${time(180)}`);
    expect(from).toBe(time(120));
    expect(items.map(({ at, tickets }) => [at, tickets.issued])).toEqual([
      [time(0), 0],
      [time(60), 0],
      [time(120), 1],
    ]);
  });

  it('counts sessions opened, closed and live at the end of each hour', async () => {
    const open = (from: number, to?: number) =>
      broker.openSession({
        startedAt: (NOW + from) * 1000,
        ...(to === undefined ? {} : { endedAt: (NOW + to) * 1000, endReason: 'closed' }),
      });
    await open(-86_400 + 1, 10);
    await open(-7_200);
    await open(-60, 3_600);
    await open(60, 120);
    const { items, from, to } = await series(`?step=hour&from=${time(-3_600)}&to=${time(7_200)}`);
    expect([from, to]).toEqual([time(-3_600), time(7_200)]);
    expect(items.map(({ sessions }) => sessions)).toEqual([
      { opened: 1, closed: 0, live: 3 },
      { opened: 1, closed: 2, live: 2 },
      { opened: 0, closed: 1, live: 1 },
    ]);
  });

  it('is of the last hour by minute, and of whole steps, where nothing is said', async () => {
    broker.clock.now = NOW + 90;
    const { items, step } = await series('');
    expect([step, items.length, items[0]?.at, items.at(-1)?.at]).toEqual([
      'minute',
      60,
      time(-3_480),
      time(60),
    ]);
    expect((await series('?step=day')).items).toHaveLength(14);
    expect((await series(`?from=${time(61)}&to=${time(61.5)}`)).items.map(({ at }) => at)).toEqual([
      time(60),
    ]);
  });

  it.each([
    [`?from=${time(-180 * 60)}&to=${time(0)}`, 200],
    [`?from=${time(-181 * 60)}&to=${time(0)}`, 400],
    [`?step=day&from=${time(-31 * 86_400)}&to=${time(-86_400)}`, 200],
    [`?step=day&from=${time(-40 * 86_400)}&to=${time(0)}`, 400],
    [`?from=${time(0)}&to=${time(-60)}`, 400],
    ['?step=second', 400],
  ])('%s is a %d', async (query, status) => {
    expect((await ask(query)).status).toBe(status);
  });

  it('needs the permission', async () => {
    expect((await ask('', { sub: 'op', permissions: ['sessions:read'] })).status).toBe(403);
  });
});
