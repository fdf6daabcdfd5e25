import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { backlogStore } from '@agent-ticket/drizzle/object/backlog.ts';
import { objectRevocationStore } from '@agent-ticket/drizzle/object/revocations.ts';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { describe, expect, test, vi } from 'vitest';
import { commandRequest } from '../src/handover.ts';
import {
  control,
  cutoff,
  lock,
  NEXT_REV,
  placeOf,
  recordRevocation,
  refresh,
  revokedBefore,
} from './commands.ts';
import { gate } from './gate.ts';
import { counter, ownSessions, witness } from './objects.ts';
import { expectEvents, sessionsOf } from './record.ts';
import { ask, connect, refusedSocket, type Socket, upgrade } from './sockets.ts';
import { makeTicket, NOW, newInstance, nextSigner, rights, signer } from './tickets.ts';
import { printed } from './watch.ts';

/** Sessions that open while revocations arrive and objects are destroyed. */

const nameOf = (instance: string) => `instance:counter/${instance}`;
const destroyCommand = (instance: string, other: object = {}) => ({
  op: 'destroy',
  ...placeOf(instance),
  revocation: cutoff(nameOf(instance), other),
});

/** A ticket's times, by the clock as the test has set it. */
function lived() {
  const now = Math.floor(Date.now() / 1000);
  return { iat: now, nbf: now, exp: now + 60, session_expiry: now + 3600 };
}

async function enter(instance: string, claims: object = {}): Promise<Socket> {
  const ticket = await makeTicket({ instance, ...rights('counter', 'owner'), ...lived(), ...claims });
  const socket = await connect(`/agents/counter/${instance}`, { ticket });
  await socket.frame('cf_agent_state');
  return socket;
}

describe('a lock in the record database', () => {
  test('closes a socket that opened meanwhile', async () => {
    const instance = newInstance();
    const sub = `auth0:t:${crypto.randomUUID()}`;
    await recordRevocation(lock(`principal:${sub}`));
    const socket = await connect(`/agents/counter/${instance}`, {
      ticket: await makeTicket({ instance, sub }),
    });
    expect(await socket.closed()).toEqual({ code: 4003, reason: 'forbidden' });
    await eventually(async () =>
      expect(await sessionsOf(instance)).toMatchObject([{ end_reason: 'locked' }]),
    );
  });

  test('closes a session whose renewal it hits', async () => {
    const instance = newInstance();
    const socket = await enter(instance);
    await expectEvents(instance, ['ticket.used', 'session.opened']);
    await revokedBefore(lock(nameOf(instance)));
    const ticket = await makeTicket({ instance, ...rights('counter', 'owner') });
    socket.send({ type: 'ticket.renew', ticket });
    expect(await socket.closed()).toEqual({ code: 4003, reason: 'forbidden' });
  });

  test('closes nothing once its time is up', async () => {
    const instance = newInstance();
    await recordRevocation(lock(nameOf(instance), { until: NOW * 1000 }));
    const socket = await enter(instance);
    await expectEvents(instance, ['ticket.used', 'session.opened']);
    expect(await socket.call('whoami')).toMatchObject({ success: true });
  });
});

describe('a command that arrives while sockets open', () => {
  const revoke = (make: typeof lock) => (instance: string) => ({
    op: 'revoke',
    revocation: make(nameOf(instance)),
  });
  test.for<[op: string, cmd: (instance: string) => object]>([
    ['terminate', revoke(cutoff)],
    ['lock', revoke(lock)],
    ['refresh', revoke(refresh)],
    ['destroy', destroyCommand],
  ])('(%s) leaves none of twelve open: each opened after it, was refused or was closed', async ([, cmd]) => {
    const instance = newInstance();
    const tickets = await Promise.all(Array.from({ length: 12 }, () => makeTicket({ instance })));
    const opening = tickets.map((ticket) => connect(`/agents/counter/${instance}`, { ticket }));
    const first = control(cmd(instance));
    const sockets = await Promise.all(opening);
    await first;
    // Again, as the broker does with a command without an answer.
    await control(cmd(instance));
    for (const socket of sockets) expect([3000, 4003, 1011, 1013]).toContain((await socket.closed()).code);
    const own = await ownSessions(counter(instance));
    expect(own.filter(({ ended_at }) => ended_at === null)).toEqual([]);
  });

  test('between burn and accept ends closed', async () => {
    const instance = `terminated-${newInstance()}`;
    const ticket = await makeTicket({ instance, agent: 'witness', scope: 'agent:connect' });
    const socket = await connect(`/agents/witness/${instance}`, { ticket, front: gate });
    expect(await socket.closed()).toEqual({ code: 4003, reason: 'forbidden' });
    expect(await ownSessions(witness(instance))).toMatchObject([{ end_reason: 'session_terminated' }]);
  });
});

describe('an object that was destroyed', () => {
  const revocationsOf = (instance: string) =>
    runInDurableObject(counter(instance), (_, state) =>
      state.storage.sql
        .exec<{ id: string; rev: number }>('SELECT id, rev FROM ticket_revocations ORDER BY id')
        .toArray(),
    );
  const expectDestroyed = (instance: string, rev: number) =>
    eventually(async () => expect(await revocationsOf(instance)).toContainEqual({ id: 'destroyed', rev }));

  async function destroy(instance: string, other: object = {}) {
    await control(destroyCommand(instance, other));
    await expectDestroyed(instance, 0);
  }

  /** An object as its next life finds it after a destruction, which here never ends the life in which it was done. */
  async function destroyedBefore() {
    const [instance, twin] = [newInstance(), newInstance()];
    await destroy(twin);
    const rows = await runInDurableObject(counter(twin), (_, { storage }) =>
      objectRevocationStore(storage.sql).all(),
    );
    await runInDurableObject(counter(instance), (_, { storage }) => {
      for (const { id, target, ...row } of rows)
        objectRevocationStore(storage.sql).restore({
          ...row,
          id: id.replace(twin, instance),
          target: target.replace(twin, instance),
        });
    });
    return instance;
  }

  test('has closed its sockets, and takes no ticket of before', async () => {
    const instance = newInstance();
    const socket = await enter(instance);
    await socket.call('increment');
    const used = await makeTicket({ instance });
    const first = await connect(`/agents/counter/${instance}`, { ticket: used });
    await first.frame('cf_agent_state');
    const minted = await makeTicket({ instance });
    await destroy(instance);
    expect(await socket.closed()).toEqual({ code: 4003, reason: 'forbidden' });
    for (const ticket of [used, minted]) {
      const refused = await refusedSocket(await upgrade(`/agents/counter/${instance}`, { ticket }));
      expect(refused).toMatchObject({ code: 4003, reason: 'forbidden', frames: [] });
      expect((await ask(`/agents/counter/${instance}`, { ticket })).status).toBe(403);
    }
  });

  test('takes a ticket from after the command, issued in the same second', async () => {
    const instance = await destroyedBefore();
    const socket = await enter(instance, { rev: NEXT_REV });
    expect(await socket.call('increment')).toMatchObject({ result: 1 });
  });

  test('is not destroyed again by the same command come late, nor by an older one: what is new stays', async () => {
    const instance = await destroyedBefore();
    vi.setSystemTime(Date.now() + 2_000);
    const socket = await enter(instance, { rev: NEXT_REV });
    expect(await socket.call('increment')).toMatchObject({ result: 1 });
    for (const rev of [NEXT_REV, NEXT_REV - 1]) {
      const repeated = await control(destroyCommand(instance, { rev }));
      expect(repeated).toMatchObject({ status: 200, body: { closed: 0, objects: 1, unreachable: 0 } });
    }
    expect(await socket.call('increment')).toMatchObject({ result: 2 });
    await control(destroyCommand(instance, { rev: NEXT_REV + 1 }));
    expect(await socket.closed()).toMatchObject({ code: 4003 });
  });

  test('is destroyed by a command whose first try only got as far as its revocation', async () => {
    const instance = newInstance();
    const socket = await enter(instance, { rev: NEXT_REV });
    await control({ op: 'revoke', revocation: cutoff(nameOf(instance)) });
    expect(await socket.call('increment')).toMatchObject({ result: 1 });
    await destroy(instance);
    expect(await socket.closed()).toMatchObject({ code: 4003 });
  });

  test('takes no ticket from before the command, also where the clock of the broker is ahead', async () => {
    const instance = await destroyedBefore();
    const times = { iat: NOW + 2, nbf: NOW + 2, exp: NOW + 62 };
    const refused = await refusedSocket(
      await upgrade(`/agents/counter/${instance}`, { ticket: await makeTicket({ instance, ...times }) }),
    );
    expect(refused).toMatchObject({ code: 4003, reason: 'forbidden', frames: [] });
    await enter(instance, { ...times, rev: NEXT_REV });
  });

  test('takes no ticket from before its destruction by its own agent, to the second and whatever its number', async () => {
    const instance = newInstance();
    await runInDurableObject(counter(instance), (_, { storage }) =>
      objectRevocationStore(storage.sql).noteDestroyed(NOW * 1000),
    );
    const ticket = await makeTicket({ instance, rev: NEXT_REV });
    const refused = await refusedSocket(await upgrade(`/agents/counter/${instance}`, { ticket }));
    expect(refused).toMatchObject({ code: 3000, reason: 'ticket_used', frames: [] });
    await enter(instance, { rev: NEXT_REV, iat: NOW + 1, nbf: NOW + 1, exp: NOW + 61 });
  });

  test('has kept the revocations that name it, whether the broker or the agent destroyed it', async () => {
    const [first, second] = [newInstance(), newInstance()];
    for (const instance of [first, second]) {
      await control({ op: 'revoke', revocation: lock(nameOf(instance)) });
      await control({ op: 'lapse', ...placeOf(instance), revocation: lock('grant:g') });
    }
    await destroy(first);
    await runInDurableObject(counter(second), (agent) => agent.destroy()).catch(() => {});
    await expectDestroyed(second, Date.now() + 5_000);
    for (const instance of [first, second]) {
      const ids = (await revocationsOf(instance)).map(({ id }) => id);
      expect(ids).toEqual(expect.arrayContaining([`lock ${nameOf(instance)}`, 'lock grant:g', 'destroyed']));
      vi.setSystemTime(Date.now() + 7_000);
      const ticket = await makeTicket({ instance, ...lived(), rev: NEXT_REV });
      const refused = await refusedSocket(await upgrade(`/agents/counter/${instance}`, { ticket }));
      expect(refused).toMatchObject({ code: 4003, reason: 'forbidden' });
    }
  });

  test('that the command does not name is not destroyed, whatever the worker asks it', async () => {
    const [instance, other] = [newInstance(), newInstance()];
    const socket = await enter(instance);
    const cmd = { op: 'destroy', ...placeOf(other), revocation: cutoff(nameOf(other)) } as const;
    const answer = await counter(instance).fetch(commandRequest(cmd));
    expect(answer.headers.get('x-agent-ticket-denial')).toBe('destination_wrong');
    expect(await socket.call('whoami')).toMatchObject({ success: true });
  });

  test('starts no agent code if it slept until then, although its sockets close', async () => {
    const instance = newInstance();
    const socket = await enter(instance);
    await evictDurableObject(counter(instance));
    await destroy(instance);
    expect(await socket.closed()).toEqual({ code: 4003, reason: 'forbidden' });
    expect(printed.filter((line) => /agent_failed|Error on server/.test(line))).toEqual([]);
  });

  test('has kept the facts that were waiting for the record database, and its alarm is set to deliver them', async () => {
    const instance = newInstance();
    await env.RECORD.exec('ALTER TABLE audit_events RENAME TO audit_events_away');
    try {
      const socket = await enter(instance);
      socket.close();
      await socket.closed();
      await enter(instance);
      await destroy(instance);
    } finally {
      await env.RECORD.exec('ALTER TABLE audit_events_away RENAME TO audit_events');
    }
    const [left, alarm] = await runInDurableObject(counter(instance), async (_, state) => [
      state.storage.sql.exec('SELECT end_reason FROM ticket_sessions WHERE recorded < version').toArray(),
      await state.storage.getAlarm(),
    ]);
    expect(left.map((row) => Object.values(row).join()).sort()).toEqual([
      'client_closed',
      'session_terminated',
    ]);
    expect(alarm).toBe((NOW + 5) * 1000);
    vi.setSystemTime((NOW + 20) * 1000);
    await eventually(async () => {
      await runDurableObjectAlarm(counter(instance));
      expect((await sessionsOf(instance)).map(({ end_reason }) => end_reason).sort()).toEqual([
        'client_closed',
        'session_terminated',
      ]);
    });
  });

  test('has kept the facts that the record database will never take', async () => {
    const instance = newInstance();
    await enter(instance);
    const asides = (work: (sql: SqlStorage) => void = () => {}) =>
      runInDurableObject(counter(instance), (_, { storage: { sql } }) => {
        work(sql);
        return backlogStore(sql).listAside();
      });
    await asides((sql) => ['one', 'two'].map((fact) => backlogStore(sql).keepAside(fact)));
    await destroy(instance);
    expect(await asides()).toEqual(['one', 'two']);
  });

  test('has kept the burns of tickets that have not expired', async () => {
    const instance = newInstance();
    const socket = await enter(instance);
    const used = await makeTicket({ instance });
    socket.send({ type: 'ticket.renew', ticket: used });
    await socket.frame('ticket.renewed');
    await destroy(instance);
    const burned = await runInDurableObject(counter(instance), (_, state) => [
      state.storage.sql.exec('SELECT ticket FROM ticket_sessions').toArray().length,
      state.storage.sql.exec('SELECT jti FROM ticket_burns').toArray().length,
    ]);
    expect(burned).toEqual([1, 1]);
  });
});

test('a rotation refuses no upgrade, whichever key signed it', async () => {
  const instance = newInstance();
  const tickets = await Promise.all(
    Array.from({ length: 16 }, (_, n) => makeTicket({ instance }, { by: n % 2 === 0 ? signer : nextSigner })),
  );
  const sockets = await Promise.all(
    tickets.map((ticket) => connect(`/agents/counter/${instance}`, { ticket })),
  );
  for (const socket of sockets) await socket.frame('cf_agent_state');
});
