import { runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { tombstoneQueries } from '@agent-ticket/drizzle/object/tombstone.ts';
import { Target } from '@agent-ticket/shared/target.ts';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { describe, expect, test, vi } from 'vitest';
import { gate } from './gate.ts';
import { counter, ownSessions, witness } from './objects.ts';
import { command, makeCommand } from './orders.ts';
import { expectEvents, sessionsOf } from './record.ts';
import { ask, connect, refusedSocket, type Socket, upgrade } from './sockets.ts';
import { makeTicket, NOW, newRoom, nextSigner, rights, signer } from './tickets.ts';

/** What meets what: sessions that open, locks that come, objects that are destroyed. */

const target = (instance: string) => Target.parse({ kind: 'instance', agent: 'counter', instance });

/** A ticket's times, by the clock as the test has set it. */
function lived() {
  const now = Math.floor(Date.now() / 1000);
  return { iat: now, nbf: now, exp: now + 60, session_expiry: now + 3600 };
}

async function enter(instance: string): Promise<Socket> {
  const ticket = await makeTicket({ instance, ...rights('counter', 'owner'), ...lived() });
  const socket = await connect(`/agents/counter/${instance}`, { ticket });
  await socket.frame('cf_agent_state');
  return socket;
}

const lockInRecord = (name: string, until: number | null = null) =>
  env.RECORD.prepare('INSERT OR REPLACE INTO locks (target, until) VALUES (?, ?)').bind(name, until).run();

describe('a lock that stands in the record database', () => {
  test('closes a socket that opened meanwhile', async () => {
    const instance = newRoom();
    const sub = `auth0:t:${crypto.randomUUID()}`;
    await lockInRecord(`principal:${sub}`);
    const socket = await connect(`/agents/counter/${instance}`, {
      ticket: await makeTicket({ instance, sub }),
    });
    expect(await socket.closed()).toEqual({ code: 4003, reason: 'forbidden' });
    await eventually(async () =>
      expect(await sessionsOf(instance)).toMatchObject([{ end_reason: 'locked' }]),
    );
  });

  test('closes a session that a renewal brought under it', async () => {
    const instance = newRoom();
    const socket = await enter(instance);
    await expectEvents(instance, ['ticket.used', 'session.opened']);
    await lockInRecord(`instance:counter/${instance}`);
    const ticket = await makeTicket({ instance, ...rights('counter', 'owner') });
    socket.send({ type: 'ticket.renew', ticket });
    expect(await socket.closed()).toEqual({ code: 4003, reason: 'forbidden' });
  });

  test('closes nothing once its time is up', async () => {
    const instance = newRoom();
    await lockInRecord(`instance:counter/${instance}`, NOW * 1000);
    const socket = await enter(instance);
    await expectEvents(instance, ['ticket.used', 'session.opened']);
    expect(await socket.call('whoami')).toMatchObject({ success: true });
  });
});

describe('an order that comes while sockets open', () => {
  test.for(['terminate', 'lock', 'refresh', 'destroy'] as const)(
    '(%s) leaves none of twelve open: each opened after it, was refused or was closed',
    async (op) => {
      const instance = newRoom();
      const tickets = await Promise.all(Array.from({ length: 12 }, () => makeTicket({ instance })));
      const opening = tickets.map((ticket) => connect(`/agents/counter/${instance}`, { ticket }));
      const cmd =
        op === 'refresh'
          ? { op, agent: 'counter', instance }
          : { op, target: target(instance), ...(op === 'lock' ? { until: null } : {}) };
      const ordered = command(await makeCommand(cmd, { before: NOW * 1000 }));
      const sockets = await Promise.all(opening);
      await ordered;
      // Again, as the broker does with what was under way: nothing that is open may be older than the command.
      await command(await makeCommand(cmd, { before: NOW * 1000 }));
      for (const socket of sockets) expect([3000, 4003, 1011]).toContain((await socket.closed()).code);
      const own = await ownSessions(counter(instance));
      expect(own.filter(({ ended_at }) => ended_at === null)).toEqual([]);
    },
  );

  test('between burn and accept ends closed', async () => {
    const instance = `terminated-${newRoom()}`;
    const ticket = await makeTicket({ instance, agent: 'witness', scope: 'agent:connect' });
    const socket = await connect(`/agents/witness/${instance}`, { ticket, front: gate });
    expect(await socket.closed()).toEqual({ code: 4003, reason: 'forbidden' });
    expect(await ownSessions(witness(instance))).toMatchObject([{ end_reason: 'session_terminated' }]);
  });
});

describe('an object that was destroyed', () => {
  const tombstone = (instance: string) =>
    runInDurableObject(counter(instance), (_, state) =>
      state.storage.sql.exec('SELECT destroyed_at FROM ticket_tombstone').toArray(),
    );

  async function destroy(instance: string) {
    await command(await makeCommand({ op: 'destroy', target: target(instance) }));
    await eventually(async () => expect(await tombstone(instance)).toEqual([{ destroyed_at: Date.now() }]));
  }

  test('has closed its sockets, and takes no ticket of before', async () => {
    const instance = newRoom();
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
      expect(refused).toMatchObject({ code: 3000, reason: 'ticket_used', frames: [] });
      expect((await ask(`/agents/counter/${instance}`, { ticket })).status).toBe(401);
    }
  });

  test('is not destroyed again by the same command come late, nor by an older one: what is new stays', async () => {
    const instance = newRoom();
    const deleted = { op: 'destroy', target: target(instance) } as const;
    const late = await makeCommand(deleted);
    const older = await makeCommand(deleted, { before: Date.now() - 60_000 });
    // What a deletion leaves; the object itself ends with the life in which it was carried out.
    await runInDurableObject(counter(instance), (_, { storage }) =>
      tombstoneQueries(storage.sql).set(Date.now()),
    );
    vi.setSystemTime(Date.now() + 2_000);
    const socket = await enter(instance);
    expect(await socket.call('increment')).toMatchObject({ result: 1 });
    for (const token of [late, older]) {
      expect(await command(token)).toMatchObject({ status: 200, body: { closed: 0, unreachable: 0 } });
    }
    expect(await socket.call('increment')).toMatchObject({ result: 2 });
    await command(await makeCommand(deleted));
    expect(await socket.closed()).toMatchObject({ code: 4003 });
  });

  test('takes no ticket from before the command, also where the clock of the broker is ahead', async () => {
    const instance = newRoom();
    await enter(instance);
    const before = Date.now() + 3_000;
    await command(await makeCommand({ op: 'destroy', target: target(instance) }, { before }));
    const ticket = await makeTicket({ instance, iat: NOW + 2, nbf: NOW + 2, exp: NOW + 62 });
    const refused = await refusedSocket(await upgrade(`/agents/counter/${instance}`, { ticket }));
    expect(refused).toMatchObject({ code: 3000, reason: 'ticket_used' });
  });

  test('has kept the facts that were waiting for the record database, and its alarm is set to deliver them', async () => {
    const instance = newRoom();
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
      state.storage.sql.exec<{ fact: string }>('SELECT fact FROM ticket_backlog ORDER BY id').toArray(),
      await state.storage.getAlarm(),
    ]);
    const opened = ['ticket.used', 'session.opened', 'session.closed'];
    expect(left.map(({ fact }) => JSON.parse(fact).event.type)).toEqual([...opened, ...opened]);
    expect(alarm).toBe((NOW + 5) * 1000);
  });
});

test('a rotation refuses no upgrade, whichever key signed it', async () => {
  const instance = newRoom();
  const tickets = await Promise.all(
    Array.from({ length: 16 }, (_, n) => makeTicket({ instance }, { by: n % 2 === 0 ? signer : nextSigner })),
  );
  const sockets = await Promise.all(
    tickets.map((ticket) => connect(`/agents/counter/${instance}`, { ticket })),
  );
  for (const socket of sockets) await socket.frame('cf_agent_state');
});
