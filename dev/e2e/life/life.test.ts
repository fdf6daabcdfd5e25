import { eventually } from '@agent-ticket/shared/test-eventually.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nextFrame, type OpenSocket, openSocket, watchToClose } from '../sockets.ts';
import { openSilentStream } from './silent-stream.ts';
import { openStand, type Stand } from './stand.ts';

/** What survives sleep, restart and destruction in a real runtime, and how sessions end in it. */

let stand: Stand;
beforeAll(async () => {
  stand = await openStand();
});
afterAll(() => stand?.close());

const urlOf = (instance: string, ticket: string, below = ''): string =>
  `${stand.agentWorker.replace('http', 'ws')}/agents/counter/${instance}${below}?ticket=${ticket}`;

/** A socket that was let in: its first frame came. */
async function enter(instance: string, below = '', ticket?: string): Promise<OpenSocket> {
  const opened = openSocket(urlOf(instance, ticket ?? (await stand.mint(instance)), below));
  await nextFrame(opened.socket);
  return opened;
}

let calls = 0;
async function call({ socket, frames }: OpenSocket, method: string): Promise<object> {
  calls += 1;
  const id = `call-${calls}`;
  socket.send(JSON.stringify({ type: 'rpc', id, method, args: [] }));
  return eventually(() => {
    const answer = frames.map((frame) => JSON.parse(frame)).find((frame) => frame.id === id);
    expect(answer).toBeDefined();
    return answer;
  });
}

const idOf = (instance: string): Promise<string> =>
  eventually(async () => {
    const open = (await stand.sessionsOf(instance)).filter(({ ended_at }) => ended_at === null);
    expect(open).toHaveLength(1);
    return open[0]?.id ?? '';
  });

const endsWith = (instance: string, reason: string) =>
  eventually(async () =>
    expect(await stand.sessionsOf(instance)).toEqual([
      { id: expect.any(String), ended_at: expect.any(Number), end_reason: reason },
    ]),
  );

const PLACES = [
  { place: 'an agent', below: '' },
  { place: 'a sub-agent', below: '/sub/child/one' },
] as const;
/** Each place awake and asleep, all at once. */
const CASES = PLACES.flatMap(({ below }) => [
  { below, asleep: false },
  { below, asleep: true },
]);
const nameOf = ({ below, asleep }: (typeof CASES)[number]): string => `${below.length}-${asleep}`;

it('a termination closes sockets to agents and sub-agents, awake and asleep, and counts them', async () => {
  const end = async (each: (typeof CASES)[number]): Promise<void> => {
    const instance = `terminated-${nameOf(each)}`;
    const opened = await enter(instance, each.below);
    const id = await idOf(instance);
    if (each.asleep) await stand.evict(instance);
    const answer = await stand.terminate(id);
    expect([answer.status, await answer.json()]).toMatchObject([200, { receipt: { closed: 1, objects: 1 } }]);
    expect(await opened.closed).toMatchObject({ code: 4003, reason: 'forbidden' });
    await endsWith(instance, 'session_terminated');
  };
  await Promise.all(CASES.map(end));
});

it('an alarm alone warns and then closes sockets to agents and sub-agents, awake and asleep', async () => {
  const end = async (each: (typeof CASES)[number]): Promise<void> => {
    const instance = `expired-${nameOf(each)}`;
    const opened = await enter(instance, each.below, await stand.sign(instance, 4));
    if (each.asleep) await stand.evict(instance);
    expect(await opened.closed).toMatchObject({ code: 3000, reason: 'session_expired' });
    expect(opened.frames.map((frame) => JSON.parse(frame).type)).toContain('ticket.expiring');
    await endsWith(instance, 'session_expired');
  };
  await Promise.all(CASES.map(end));
});

it('a lock on somebody with over a hundred objects closes sockets of a hundred at once, and the outbox the rest', async () => {
  const sub = 'token:everywhere';
  const rooms = Array.from({ length: 102 }, (_, n) => `fan-out-${n}`);
  const enterAll = rooms.map(async (room) => enter(room, '', await stand.sign(room, 600, sub)));
  await Promise.all(enterAll);
  await eventually(async () => expect(await stand.leftOf(sub)).toEqual({ open: 102, commands: 0 }));
  const answer = await stand.lock({ kind: 'principal', id: sub });
  expect(await answer.json()).toMatchObject({
    receipt: { closed: 100, objects: 100, unreachable: 0, pending: 2 },
  });
  expect(answer.status).toBe(202);
  await eventually(async () => {
    await stand.cron();
    expect(await stand.leftOf(sub)).toEqual({ open: 0, commands: 0 });
  });
});

describe.each(PLACES)('a socket to $place', ({ below }) => {
  it('keeps the rights of the ticket, asleep and awake', async () => {
    const instance = `rights-${below.length}`;
    const opened = await enter(instance, below);
    expect(await call(opened, 'increment')).toMatchObject({ success: true, result: 1 });
    expect(await call(opened, 'reset')).toMatchObject({ success: false, error: 'forbidden' });
    await stand.evict(instance);
    expect(await call(opened, 'reset')).toMatchObject({ success: false, error: 'forbidden' });
    expect(await call(opened, 'increment')).toMatchObject({ success: true, result: 2 });
  });
});

it.each([
  '/sub/hidden/one',
  '/sub/Child/one',
  '/sub/child',
  '/sub/child/one/sub/child/two',
  '/x/sub/child/one',
])('%s leads nowhere, with a ticket for the agent', async (below) => {
  const ticket = await stand.mint('nowhere');
  expect(await watchToClose(urlOf('nowhere', ticket, below))).toMatchObject({ frames: [], code: 4004 });
});

describe('one ticket', () => {
  it('opens one session in a hundred tries, through sleep, restart and destruction', async () => {
    const instance = 'once';
    const ticket = await stand.mint(instance);
    const tries = async (): Promise<number> => {
      const all = Array.from({ length: 25 }, () => openSocket(urlOf(instance, ticket)));
      const opened = await Promise.all(
        all.map(({ socket, closed }) =>
          nextFrame(socket).then(
            () => 1,
            async () => {
              expect(await closed).toMatchObject({ frames: [], code: 3000, reason: 'ticket_used' });
              return 0;
            },
          ),
        ),
      );
      return opened.reduce<number>((sum, each) => sum + each, 0);
    };
    expect(await tries()).toBe(1);
    await stand.evict(instance);
    expect(await tries()).toBe(0);
    await stand.restart();
    expect(await tries()).toBe(0);
    expect((await stand.destroy(instance)).status).toBe(200);
    expect(await tries()).toBe(0);
  });
});

describe('an object that was destroyed', () => {
  it('opens anew, refuses older tickets, and delivers what it had still to say', async () => {
    const instance = 'destroyed';
    const first = await enter(instance);
    expect(await call(first, 'increment')).toMatchObject({ result: 1 });
    await idOf(instance);
    const older = await stand.mint(instance);
    const record = await stand.record();
    // Away while it is destroyed; only the alarm of the object itself comes back to this.
    await record.exec('ALTER TABLE agent_invocations RENAME TO away');
    expect(await call(first, 'increment')).toMatchObject({ result: 2 });
    await stand.destroy(instance);
    await first.closed;
    await record.exec('ALTER TABLE away RENAME TO agent_invocations');
    await endsWith(instance, 'session_terminated');

    expect(await watchToClose(urlOf(instance, older))).toMatchObject({ frames: [], code: 3000 });
    // A ticket counts in whole seconds: one of this second may be older than the end.
    const again = await eventually(async () => enter(instance, '', await stand.mint(instance)));
    expect(await call(again, 'increment')).toMatchObject({ result: 1 });
  });
});

describe('what an object cannot deliver', () => {
  it('is in /readyz while the record refuses it, through its sleep, and arrives later in order, once', async () => {
    const instance = 'undelivered';
    const record = await stand.record();
    await record.exec('ALTER TABLE audit_events RENAME TO away');
    const first = await enter(instance);
    expect(await call(first, 'reset')).toMatchObject({ success: false });
    // Also other objects may have something to say, of sessions that ended with the test before.
    const waits = (atLeast: number) =>
      eventually(async () => {
        const ready = await stand.ready();
        expect(ready.agent_events_waiting).toBeGreaterThanOrEqual(atLeast);
        expect(ready.agent_objects_waiting).toBeGreaterThanOrEqual(1);
        expect(ready.waiting_age).toBeGreaterThanOrEqual(0);
      });
    await waits(3);
    await stand.evict(instance);
    expect(await call(first, 'reset')).toMatchObject({ success: false });
    await waits(4);

    await record.exec('ALTER TABLE away RENAME TO audit_events');
    const nothing = { agent_events_waiting: 0, agent_objects_waiting: 0, waiting_age: null };
    await eventually(async () => expect(await stand.ready()).toMatchObject(nothing));
    const all = ['ticket.used', 'session.opened', 'rpc.denied', 'rpc.denied'];
    await eventually(async () => expect(await stand.arrived(instance)).toEqual(all));
  });
});

describe('a stream on which nothing is said', () => {
  // That it was merely closed shows half a minute later: `silence.long.test.ts`.
  it('ends by itself when the connection of its client was reset', async () => {
    const instance = 'silent-was-reset';
    const connection = await openSilentStream(stand, instance);
    await idOf(instance);
    connection.resetAndDestroy();
    await endsWith(instance, 'client_closed');
  });
});

describe('a session', () => {
  it('whose socket broke with its object ends as lost, though nobody comes to the object', async () => {
    const instance = 'crashed';
    await enter(instance);
    await idOf(instance);
    await stand.evict(instance, 'close');
    await stand.age(instance);
    await stand.cron();
    await endsWith(instance, 'connection_lost');
  });

  it('ends as lost after a restart of everything', async () => {
    const instance = 'restarted';
    await enter(instance);
    await idOf(instance);
    await stand.restart();
    await stand.age(instance);
    await stand.cron();
    await endsWith(instance, 'connection_lost');
  });

  it('ends by its client, though the object slept', async () => {
    const instance = 'left-asleep';
    const { socket } = await enter(instance);
    await idOf(instance);
    await stand.evict(instance);
    socket.close(1000);
    await endsWith(instance, 'client_closed');
  });
});
