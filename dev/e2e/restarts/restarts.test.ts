import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nextFrame, type OpenSocket, openSocket, watchToClose } from '../sockets.ts';
import { type Deployment, startDeployment } from './deployment.ts';
import { openSilentStream } from './silent-stream.ts';

/** State that survives hibernation, restart and destruction in a real runtime, and the ends of sessions in it. */

let deployment: Deployment;
beforeAll(async () => {
  deployment = await startDeployment();
});
afterAll(() => deployment?.close());

const urlOf = (instance: string, ticket: string, below = ''): string =>
  `${deployment.agentWorker.replace('http', 'ws')}/agents/counter/${instance}${below}?ticket=${ticket}`;

/** An admitted socket that has received its first frame. */
async function openSession(instance: string, below = '', ticket?: string): Promise<OpenSocket> {
  const opened = openSocket(urlOf(instance, ticket ?? (await deployment.mint(instance)), below));
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
    const open = (await deployment.sessionsOf(instance)).filter(({ ended_at }) => ended_at === null);
    expect(open).toHaveLength(1);
    return open[0]?.id ?? '';
  });

const endsWith = (instance: string, reason: string) =>
  eventually(async () =>
    expect(await deployment.sessionsOf(instance)).toEqual([
      { id: expect.any(String), ended_at: expect.any(Number), end_reason: reason },
    ]),
  );

const TARGETS = [
  { target: 'an agent', below: '' },
  { target: 'a sub-agent', below: '/sub/child/one' },
] as const;
/** Each target awake and asleep, concurrently: the runtime takes ten seconds to release a closed socket. */
const CASES = TARGETS.flatMap(({ below }) => [
  { below, asleep: false },
  { below, asleep: true },
]);
const nameOf = ({ below, asleep }: (typeof CASES)[number]): string => `${below.length}-${asleep}`;

it('a termination closes sockets to agents and sub-agents, awake and asleep, and counts them', async () => {
  const end = async (each: (typeof CASES)[number]): Promise<void> => {
    const instance = `terminated-${nameOf(each)}`;
    const opened = await openSession(instance, each.below);
    const id = await idOf(instance);
    if (each.asleep) await deployment.evict(instance);
    const answer = await deployment.terminate(id);
    expect([answer.status, await answer.json()]).toMatchObject([200, { receipt: { closed: 1, objects: 1 } }]);
    expect(await opened.closed).toMatchObject({ code: 4003, reason: 'forbidden' });
    await endsWith(instance, 'session_terminated');
  };
  await Promise.all(CASES.map(end));
});

it('an alarm alone warns and then closes sockets to agents and sub-agents, awake and asleep', async () => {
  const end = async (each: (typeof CASES)[number]): Promise<void> => {
    const instance = `expired-${nameOf(each)}`;
    const opened = await openSession(instance, each.below, await deployment.sign(instance, 4));
    if (each.asleep) await deployment.evict(instance);
    expect(await opened.closed).toMatchObject({ code: 3000, reason: 'session_expired' });
    expect(opened.frames.map((frame) => JSON.parse(frame).type)).toContain('ticket.expiring');
    await endsWith(instance, 'session_expired');
  };
  await Promise.all(CASES.map(end));
});

it('a lock on a principal with over a hundred objects closes sockets of a hundred at once, and the outbox closes the others', async () => {
  const sub = 'token:everywhere';
  const instances = Array.from({ length: 102 }, (_, n) => `fan-out-${n}`);
  const openAll = instances.map(async (instance) =>
    openSession(instance, '', await deployment.sign(instance, 600, sub)),
  );
  await Promise.all(openAll);
  await eventually(async () => expect(await deployment.countsOf(sub)).toEqual({ open: 102, commands: 0 }));
  const answer = await deployment.lock({ kind: 'principal', id: sub });
  expect(await answer.json()).toMatchObject({
    receipt: { closed: 100, objects: 100, unreachable: 0, pending: 2 },
  });
  expect(answer.status).toBe(202);
  await eventually(async () => {
    await deployment.cron();
    expect(await deployment.countsOf(sub)).toEqual({ open: 0, commands: 0 });
  });
});

describe.each(TARGETS)('a socket to $target', ({ below }) => {
  it('keeps the rights of the ticket, asleep and awake', async () => {
    const instance = `rights-${below.length}`;
    const opened = await openSession(instance, below);
    expect(await call(opened, 'increment')).toMatchObject({ success: true, result: 1 });
    expect(await call(opened, 'reset')).toMatchObject({ success: false, error: 'forbidden' });
    await deployment.evict(instance);
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
])('%s has no agent, with a ticket for the parent agent', async (below) => {
  const ticket = await deployment.mint('nowhere');
  expect(await watchToClose(urlOf('nowhere', ticket, below))).toMatchObject({ frames: [], code: 4004 });
});

describe('one ticket', () => {
  it('opens one session in a hundred tries, through sleep, restart and destruction', async () => {
    const instance = 'once';
    const ticket = await deployment.mint(instance);
    const tries = async (reason = 'ticket_used'): Promise<number> => {
      const all = Array.from({ length: 25 }, () => openSocket(urlOf(instance, ticket)));
      const opened = await Promise.all(
        all.map(({ socket, closed }) =>
          nextFrame(socket).then(
            () => 1,
            async () => {
              expect(await closed).toMatchObject({ frames: [], code: 3000, reason });
              return 0;
            },
          ),
        ),
      );
      return opened.reduce<number>((sum, each) => sum + each, 0);
    };
    expect(await tries()).toBe(1);
    await deployment.evict(instance);
    expect(await tries()).toBe(0);
    await deployment.restart();
    expect(await tries()).toBe(0);
    expect((await deployment.destroy(instance)).status).toBe(200);
    expect(await tries('rights_changed')).toBe(0);
  });
});

describe('a destroyed object', () => {
  it('opens again, refuses older tickets, and delivers its undelivered events', async () => {
    const instance = 'destroyed';
    const first = await openSession(instance);
    expect(await call(first, 'increment')).toMatchObject({ result: 1 });
    await idOf(instance);
    const older = await deployment.mint(instance);
    const record = await deployment.record();
    // The table is missing during the destruction, so that only the alarm of the object itself can deliver.
    await record.exec('ALTER TABLE agent_invocations RENAME TO away');
    expect(await call(first, 'increment')).toMatchObject({ result: 2 });
    await deployment.destroy(instance);
    await first.closed;
    await record.exec('ALTER TABLE away RENAME TO agent_invocations');
    await endsWith(instance, 'session_terminated');

    expect(await watchToClose(urlOf(instance, older))).toMatchObject({ frames: [], code: 3000 });
    // A ticket counts in whole seconds: one of this second may be older than the end.
    const again = await eventually(async () => openSession(instance, '', await deployment.mint(instance)));
    expect(await call(again, 'increment')).toMatchObject({ result: 1 });
  });
});

describe('events that an object cannot deliver', () => {
  it('are in /readyz while the record refuses them, also during hibernation, and arrive later in order, once', async () => {
    const instance = 'undelivered';
    const record = await deployment.record();
    await record.exec('ALTER TABLE audit_events RENAME TO away');
    const first = await openSession(instance);
    expect(await call(first, 'reset')).toMatchObject({ success: false });
    // Other objects may have undelivered events too, of sessions that ended with the test before.
    const waits = (atLeast: number) =>
      eventually(async () => {
        const ready = await deployment.ready();
        expect(ready.agent_events_waiting).toBeGreaterThanOrEqual(atLeast);
        expect(ready.agent_objects_waiting).toBeGreaterThanOrEqual(1);
        expect(ready.waiting_age).toBeGreaterThanOrEqual(0);
      });
    await waits(3);
    await deployment.evict(instance);
    expect(await call(first, 'reset')).toMatchObject({ success: false });
    await waits(4);

    await record.exec('ALTER TABLE away RENAME TO audit_events');
    const nothing = { agent_events_waiting: 0, agent_objects_waiting: 0, waiting_age: null };
    await eventually(async () => expect(await deployment.ready()).toMatchObject(nothing));
    const all = ['ticket.used', 'session.opened', 'rpc.denied', 'rpc.denied'];
    await eventually(async () => expect(await deployment.arrived(instance)).toEqual(all));
  });
});

describe('a silent stream', () => {
  // That it was merely closed shows half a minute later: `silence.long.test.ts`.
  it('ends by itself when the connection of its client was reset', async () => {
    const instance = 'silent-was-reset';
    const connection = await openSilentStream(deployment, instance);
    await idOf(instance);
    connection.resetAndDestroy();
    await endsWith(instance, 'client_closed');
  });
});

describe('a session', () => {
  it('whose socket closed with the eviction of its object ends as lost, without another request to the object', async () => {
    const instance = 'crashed';
    await openSession(instance);
    await idOf(instance);
    await deployment.evict(instance, 'close');
    await deployment.age(instance);
    await deployment.cron();
    await endsWith(instance, 'connection_lost');
  });

  it('ends as lost after a restart of everything', async () => {
    const instance = 'restarted';
    await openSession(instance);
    await idOf(instance);
    await deployment.restart();
    await deployment.age(instance);
    await deployment.cron();
    await endsWith(instance, 'connection_lost');
  });

  it('ends by its client, although the object hibernates', async () => {
    const instance = 'left-asleep';
    const { socket } = await openSession(instance);
    await idOf(instance);
    await deployment.evict(instance);
    socket.close(1000);
    await endsWith(instance, 'client_closed');
  });
});
