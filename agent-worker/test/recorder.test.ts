import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { backlogStore } from '@agent-ticket/drizzle/object/backlog.ts';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { describe, expect, test, vi } from 'vitest';
import type { Recorded } from '../src/recorder/batches.ts';
import { RecorderObject } from '../src/recorder.ts';
import { lock, recordRevocation } from './commands.ts';
import { counter, ownSessions, sweep } from './objects.ts';
import { eventsOf, expectEvents, sessionsOf } from './record.ts';
import { connect, type Socket } from './sockets.ts';
import { makeTicket, NOW, newInstance } from './tickets.ts';
import { printed } from './watch.ts';

/** What objects hand over to their recorder, and what becomes of it where one of them fails. */

const enter = async (instance: string, claims: object = {}): Promise<Socket> => {
  const socket = await connect(`/agents/counter/${instance}`, {
    ticket: await makeTicket({ instance, ...claims }),
  });
  await socket.frame('cf_agent_state');
  return socket;
};
const leave = async (socket: Socket): Promise<void> => {
  socket.close();
  await socket.closed();
};

type Deliver = RecorderObject['deliver'];

/** Has the recorders do something else, given what they would do. */
function whereRecorders(act: (deliver: () => Promise<Recorded>, nth: number) => Promise<Recorded>) {
  const original: Deliver = RecorderObject.prototype.deliver;
  let calls = 0;
  return vi.spyOn(RecorderObject.prototype, 'deliver').mockImplementation(function (
    this: RecorderObject,
    facts,
  ) {
    calls += 1;
    return act(() => original.call(this, facts), calls);
  });
}

/** A promise that the test resolves. */
function gateOf() {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => {
    open = () => resolve();
  });
  return { opened, open: () => open() };
}

const LIFE = ['ticket.used', 'session.opened', 'session.closed'];
const versions = (instance: string) =>
  runInDurableObject(counter(instance), (_, state) =>
    state.storage.sql.exec('SELECT version, recorded FROM ticket_sessions').toArray(),
  );

describe('a call', () => {
  const recorded = async (session: string) => {
    const { results } = await env.RECORD.prepare(
      'SELECT method, outcome FROM agent_invocations WHERE session_id = ?',
    )
      .bind(session)
      .all();
    return results;
  };
  const waiting = (instance: string) =>
    runInDurableObject(counter(instance), (_, state) =>
      backlogStore(state.storage.sql)
        .all()
        .filter(({ fact }) => fact.includes('"invocation"')),
    );

  test('is no row of its object while recorders work', async () => {
    const instance = newInstance();
    const socket = await enter(instance);
    const { session } = Object((await socket.call('whoami')).result);
    expect(await waiting(instance)).toEqual([]);
    await eventually(async () => expect(await recorded(session)).toHaveLength(1));
    expect(await waiting(instance)).toEqual([]);
  });

  // In flight when the recorder fails; and made while its object waits for the next try.
  test.for([1, 2])(
    'that a recorder did not write is kept by its object, and recorded later: %i',
    async (n) => {
      const instance = newInstance();
      const socket = await enter(instance);
      const original: Deliver = RecorderObject.prototype.deliver;
      const recorder = vi.spyOn(RecorderObject.prototype, 'deliver').mockImplementation(function (
        this: RecorderObject,
        facts,
      ) {
        const hasCall = facts.some(({ invocation }) => invocation !== undefined);
        return hasCall ? Promise.resolve({ failed: 'in a test' }) : original.call(this, facts);
      });
      const { session } = Object((await socket.call('whoami')).result);
      await eventually(async () => expect(await waiting(instance)).toHaveLength(1));
      if (n === 2) {
        await socket.call('whoami');
        expect(await waiting(instance)).toHaveLength(2);
      }
      await evictDurableObject(counter(instance));
      recorder.mockRestore();
      vi.setSystemTime((NOW + 7) * 1000);
      await sweep(counter(instance));
      const call = { method: 'whoami', outcome: 'success' };
      await eventually(async () => expect(await recorded(session)).toEqual(Array(n).fill(call)));
    },
  );
});

describe('a session', () => {
  test('that is opened and closed at once is one hand-over, with a row and three events', async () => {
    const instance = newInstance();
    const deliver = whereRecorders((original) => original());
    await leave(await enter(instance));
    await expectEvents(instance, LIFE);
    await eventually(async () => expect(await versions(instance)).toEqual([{ version: 2, recorded: 2 }]));
    expect(deliver.mock.calls.length).toBeLessThanOrEqual(2);
  });

  test('whose client left an object that is killed at once is ended by the next sweep, and only once', async () => {
    const instance = newInstance();
    const socket = await enter(instance);
    await expectEvents(instance, ['ticket.used', 'session.opened']);
    await leave(socket);
    expect(await ownSessions(counter(instance))).toMatchObject([{ end_reason: null }]);
    const killed = runInDurableObject(counter(instance), (_, state) => state.abort('killed in a test'));
    await expect(killed).rejects.toThrow('killed in a test');
    await sweep(counter(instance));
    await expectEvents(instance, LIFE);
    expect(await sessionsOf(instance)).toMatchObject([{ end_reason: 'connection_lost' }]);
  });

  test('whose end is written while its opening is acknowledged loses neither', async () => {
    const instance = newInstance();
    const answer = gateOf();
    whereRecorders(async (original, nth) => {
      const recorded = await original();
      if (nth === 1) await answer.opened;
      return recorded;
    });
    const socket = await enter(instance);
    await expectEvents(instance, ['ticket.used', 'session.opened']);
    await leave(socket);
    await eventually(async () => expect(await versions(instance)).toEqual([{ version: 2, recorded: 0 }]));
    answer.open();
    await expectEvents(instance, LIFE);
    await eventually(async () => expect(await versions(instance)).toEqual([{ version: 2, recorded: 2 }]));
    expect(await sessionsOf(instance)).toMatchObject([{ end_reason: 'client_closed' }]);
  });

  test('is there once where its recorder dies after the batch and before the answer', async () => {
    const instance = newInstance();
    whereRecorders(async (original, nth) => {
      const recorded = await original();
      if (nth === 1) throw new Error('the recorder was reset');
      return recorded;
    });
    const socket = await enter(instance);
    await eventually(async () => expect(printed.join(' ')).toContain('record_delivery_failed'));
    await eventually(async () => expect(await eventsOf(instance)).toHaveLength(2));
    expect(await versions(instance)).toEqual([{ version: 1, recorded: 0 }]);
    vi.setSystemTime((NOW + 7) * 1000);
    await leave(socket);
    await eventually(async () => expect(await versions(instance)).toEqual([{ version: 2, recorded: 2 }]));
    expect((await eventsOf(instance)).map(({ type }) => type)).toEqual(LIFE);
    expect(await sessionsOf(instance)).toMatchObject([{ end_reason: 'client_closed' }]);
  });

  test('is handed over by the alarm that was set with it where its object is evicted before', async () => {
    const instance = newInstance();
    const recorder = whereRecorders(async () => ({ failed: 'in a test' }));
    await enter(instance);
    const soonest = await runInDurableObject(counter(instance), async (_, state) =>
      Number(await state.storage.getAlarm()),
    );
    expect(soonest).toBeLessThanOrEqual((NOW + 6) * 1000);
    await evictDurableObject(counter(instance));
    expect(await eventsOf(instance)).toEqual([]);
    recorder.mockRestore();
    vi.setSystemTime((NOW + 7) * 1000);
    expect(await runDurableObjectAlarm(counter(instance))).toBe(true);
    await expectEvents(instance, ['ticket.used', 'session.opened']);
  });

  test('that a lock hits which its object does not know of is ended by the answer of the recorder', async () => {
    const [instance, sub] = [newInstance(), `auth0:t:${crypto.randomUUID()}`];
    const answer = gateOf();
    whereRecorders(async (original) => {
      await answer.opened;
      return original();
    });
    const socket = await enter(instance, { sub });
    await recordRevocation(lock(`principal:${sub}`));
    expect(await socket.call('whoami')).toMatchObject({ success: true });
    answer.open();
    expect(await socket.closed()).toEqual({ code: 4003, reason: 'forbidden' });
    await expectEvents(instance, ['ticket.used', 'session.opened', 'session.closed']);
  });

  test('arrives beside facts that the database refuses for their values, which are set aside', async () => {
    const instance = newInstance();
    const socket = await enter(instance);
    await runInDurableObject(counter(instance), (_, state) => {
      const bad = JSON.stringify({ event: { eventId: crypto.randomUUID(), type: 'rpc.denied' } });
      state.storage.sql.exec('INSERT INTO ticket_backlog (fact) VALUES (?)', bad);
    });
    await leave(socket);
    await expectEvents(instance, LIFE);
    const aside = () =>
      runInDurableObject(
        counter(instance),
        (_, state) => state.storage.sql.exec('SELECT fact FROM ticket_set_aside').toArray().length,
      );
    await eventually(async () => expect(await aside()).toBe(1));
    expect(printed.join(' ')).toContain('"why":"refused"');
  });
});

test('a session that the database refuses for its values is set aside, logged, and handed over no more', async () => {
  const instance = newInstance();
  const recorder = whereRecorders(async () => ({ failed: 'in a test' }));
  const socket = await enter(instance);
  // A number that JSON cannot have is null in the record database, which takes none there.
  await runInDurableObject(counter(instance), (_, { storage }) => {
    storage.sql.exec('UPDATE ticket_sessions SET started_at = 9e999');
  });
  await evictDurableObject(counter(instance));
  recorder.mockRestore();
  vi.setSystemTime((NOW + 60) * 1000);
  await sweep(counter(instance));
  const aside = () =>
    runInDurableObject(counter(instance), (_, { storage }) =>
      storage.sql
        .exec<{ fact: string }>('SELECT fact FROM ticket_set_aside ORDER BY id')
        .toArray()
        .map(({ fact }) => Object.keys(JSON.parse(fact))),
    );
  await eventually(async () => expect(await aside()).toEqual([['event'], ['event', 'session', 'revocable']]));
  await eventually(async () => expect(await versions(instance)).toEqual([{ version: 1, recorded: 1 }]));
  expect(printed.filter((line) => line.includes('fact_set_aside'))).toHaveLength(2);
  await leave(socket);
  await eventually(async () => expect(await aside()).toHaveLength(3));
});

describe('a record database that hangs', () => {
  test('keeps nobody out, and lets nobody stay beyond the end of the session', async () => {
    const instance = newInstance();
    const never = gateOf();
    whereRecorders(async () => {
      await never.opened;
      return { failed: 'in a test' };
    });
    const idle = await enter(instance, { session_expiry: NOW + 600 });
    const busy = await enter(instance, { session_expiry: NOW + 600 });
    expect(await busy.call('whoami')).toMatchObject({ success: true });
    vi.setSystemTime((NOW + 600) * 1000);
    busy.send({ type: 'rpc', id: 'late', method: 'whoami', args: [] });
    expect(await busy.closed()).toEqual({ code: 3000, reason: 'session_expired' });
    await sweep(counter(instance));
    expect(await idle.closed()).toEqual({ code: 3000, reason: 'session_expired' });
    expect(await ownSessions(counter(instance))).toMatchObject([
      { end_reason: 'session_expired' },
      { end_reason: 'session_expired' },
    ]);
    never.open();
  });
});

test('a busy object schedules one sweep for all that it hands over', async () => {
  const instance = newInstance();
  await Promise.all(Array.from({ length: 8 }, (_, n) => enter(instance, { sub: `auth0:t:person-${n}` })));
  const planned = await runInDurableObject(counter(instance), (agent) =>
    agent.getSchedules().filter(({ time }) => time <= NOW + 6),
  );
  expect(planned).toHaveLength(1);
});

test('facts that are more than one hand-over takes go in several, without a wait between them', async () => {
  const instance = newInstance();
  await enter(instance);
  await expectEvents(instance, LIFE.slice(0, 2));
  await runInDurableObject(counter(instance), (_, { storage: { sql } }) => {
    for (let n = 0; n < 250; n += 1) backlogStore(sql).add(JSON.stringify({ invocation: { id: String(n) } }));
  });
  const deliver = whereRecorders(async () => ({ revoked: [], refused: [] }));
  await sweep(counter(instance));
  await eventually(() => {
    expect(deliver.mock.calls.map(([facts]) => facts.length)).toEqual([100, 100, 50]);
  });
});
