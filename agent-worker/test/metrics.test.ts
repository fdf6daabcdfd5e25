import { env } from 'cloudflare:workers';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { gateWith } from './gate.ts';
import { expectEvents } from './record.ts';
import { enter, renew, ticketOf } from './renewals.ts';
import { ask, connect, refusedSocket, upgrade } from './sockets.ts';
import { makeTicket, NOW, newInstance, rights } from './tickets.ts';

/** What agent workers count, as points of a dataset that is bound: by the gate and by each object. */

type Point = readonly [series: string, labels: Readonly<Record<string, string>>, value: number];

const points: Point[] = [];
/** The labels of a point, by their place. */
const LABELS = ['outcome', 'code', 'agent', 'kind', 'state', 'reason'];

beforeEach(() => {
  points.length = 0;
  // The gate and all objects get the same class of the local runtime.
  const dataset: AnalyticsEngineDataset = Object.getPrototypeOf(env.METRICS);
  vi.spyOn(dataset, 'writeDataPoint').mockImplementation((point) => {
    const [series, ...values] = (point?.blobs ?? []).map(String);
    const labels = LABELS.map((name, index) => [name, values[index] ?? ''] as const);
    expect(point?.indexes).toEqual([series]);
    points.push([
      series ?? '',
      Object.fromEntries(labels.filter(([, value]) => value !== '')),
      point?.doubles?.[0] ?? Number.NaN,
    ]);
  });
});

const of = (series: string): Point[] => points.filter(([name]) => name === series);

describe('requests for sockets are counted', () => {
  test('one that opens, and one whose ticket is used, by code and agent', async () => {
    const instance = newInstance();
    const ticket = await makeTicket({ instance });
    const path = `/agents/counter/${instance}`;
    // The tests before this one, at the same moment, may have used up the points of their second.
    vi.setSystemTime((NOW + 7) * 1000);
    await connect(path, { ticket });
    await refusedSocket(await upgrade(path, { ticket }));
    await refusedSocket(await upgrade('/agents/invented/x', { ticket }));
    expect(of('upgrades_total')).toEqual(
      expect.arrayContaining([
        ['upgrades_total', { outcome: 'admitted', agent: 'counter' }, 1],
        ['upgrades_total', { outcome: 'denied', code: 'ticket_used', agent: 'counter' }, 1],
        ['upgrades_total', { outcome: 'denied', code: 'agent_unknown' }, 1],
      ]),
    );
  });

  test('and requests for no socket are not', async () => {
    const instance = newInstance();
    await ask(`/agents/counter/${instance}`, { ticket: await makeTicket({ instance }) });
    expect(points).toEqual([]);
  });

  test('by a gate over which nobody has bound a dataset, too, without a fault', async () => {
    const measured: unknown[] = [];
    const front = gateWith({ measure: (...args) => void measured.push(args) });
    await refusedSocket(await upgrade('/agents/counter/x', { front }));
    expect(measured).toEqual([
      ['upgrades_total', { outcome: 'denied', code: 'ticket_missing', agent: 'counter' }],
    ]);
    expect(points).toEqual([]);
  });
});

test('the end of a session is a point with its reason', async () => {
  const instance = newInstance();
  const socket = await connect(`/agents/counter/${instance}`, { ticket: await makeTicket({ instance }) });
  socket.close();
  await expectEvents(instance, ['ticket.used', 'session.opened', 'session.closed']);
  expect(of('sessions_closed_total')).toEqual([['sessions_closed_total', { reason: 'client_closed' }, 1]]);
});

test('refused frames are one point at once, and one with the rest of them when their session ends', async () => {
  const instance = newInstance();
  const ticket = await makeTicket({ instance, ...rights('counter', 'viewer') });
  const socket = await connect(`/agents/counter/${instance}`, { ticket });
  await socket.frame('cf_agent_state');
  for (let n = 0; n < 20; n += 1) socket.send('not for a viewer');
  await socket.frame('ticket.denied');
  socket.close();
  await eventually(async () => expect(of('sessions_closed_total')).toHaveLength(1));
  expect(of('frames_denied_total')).toEqual([
    ['frames_denied_total', { agent: 'counter' }, 1],
    ['frames_denied_total', { agent: 'counter' }, 19],
  ]);
});

test('a renewal is a point, and so is one that is refused', async () => {
  const instance = newInstance();
  const { socket } = await enter(instance);
  await renew(socket, await ticketOf(instance));
  await renew(socket, 'no ticket');
  expect(of('renewals_total')).toEqual([
    ['renewals_total', { outcome: 'renewed' }, 1],
    ['renewals_total', { outcome: 'refused' }, 1],
  ]);
});
