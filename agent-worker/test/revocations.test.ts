import { runDurableObjectAlarm } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { openRecord } from '@agent-ticket/drizzle/record/open-d1.ts';
import { recallQueries } from '@agent-ticket/drizzle/record/recalls.ts';
import { ticketIdAt } from '@agent-ticket/shared/issued-at.ts';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { gate } from './gate.ts';
import { counter, heardBy, ownSessions, witness } from './objects.ts';
import { command, makeCommand, order } from './orders.ts';
import { expectEvents, sessionsOf } from './record.ts';
import { ask, connect, refusedSocket, upgrade } from './sockets.ts';
import { makeTicket, NOW, newRoom, rights } from './tickets.ts';

/** Tickets that were issued before their rights were taken away. */

const NOW_MS = NOW * 1000;
const REFUSED = { code: 3000, reason: 'rights_changed' };

const recall = (target: string, issuedBy = NOW_MS, principal?: string) =>
  recallQueries(openRecord(env.RECORD)).set({ target, principal, issuedBy });
const recallRoom = (instance: string, issuedBy?: number) => recall(`instance:counter/${instance}`, issuedBy);

const newPerson = () => `auth0:t:${crypto.randomUUID()}`;
const issuedAfter = (ms: number) => ({ jti: ticketIdAt(NOW_MS + ms, crypto.randomUUID()) });
const knock = async (instance: string, claims: object = {}) =>
  refusedSocket(
    await upgrade(`/agents/counter/${instance}`, { ticket: await makeTicket({ instance, ...claims }) }),
  );
const enter = async (instance: string, claims: object = {}) => {
  const socket = await connect(`/agents/counter/${instance}`, {
    ticket: await makeTicket({ instance, ...claims }),
  });
  await socket.frame('cf_agent_state');
  return socket;
};

describe('a ticket from before', () => {
  test.for<[of: string, target: (instance: string, sub: string) => [string, number, string?]]>([
    ['everybody on the instance', (instance) => [`instance:counter/${instance}`, NOW_MS]],
    ['one person on the instance', (instance, sub) => [`instance:counter/${instance}`, NOW_MS, sub]],
    ['one person on the agent', (_, sub) => ['agent:counter', NOW_MS, sub]],
    ['a person who signed out', (_, sub) => [`principal:${sub}`, NOW_MS]],
  ])('of %s opens nothing, and nothing of the agent arrives', async ([, target]) => {
    const [instance, sub] = [newRoom(), newPerson()];
    await recall(...target(instance, sub));
    expect(await knock(instance, { sub })).toMatchObject({ ...REFUSED, frames: [] });
    await expectEvents(instance, ['ticket.used', 'session.opened', 'session.closed']);
    expect(await sessionsOf(instance)).toMatchObject([{ end_reason: 'rights_changed' }]);
    expect(await knock(instance, { sub, ...issuedAfter(0) })).toMatchObject(REFUSED);
    await enter(instance, { sub, ...issuedAfter(1) });
  });

  test('reaches no code of the agent', async () => {
    const instance = newRoom();
    await recall(`instance:witness/${instance}`);
    const ticket = await makeTicket({ instance, agent: 'witness', scope: 'agent:connect agent:message' });
    const socket = await connect(`/agents/witness/${instance}`, { ticket, front: gate });
    socket.send('early');
    expect(await socket.closed()).toEqual(REFUSED);
    expect(socket.frames).toEqual([]);
    expect(await heardBy(instance)).toEqual([]);
  });

  test('leaves another person, another instance and another agent alone', async () => {
    const [instance, sub] = [newRoom(), newPerson()];
    await recall(`instance:counter/${instance}`, NOW_MS, sub);
    await recall(`instance:witness/${instance}`);
    await recall('agent:counter', NOW_MS, newPerson());
    await enter(instance);
    await enter(newRoom(), { sub });
  });

  test('carries no session on', async () => {
    const instance = newRoom();
    const old = await makeTicket({ instance, ...rights('counter', 'owner') });
    vi.setSystemTime(NOW_MS + 2_000);
    const socket = await enter(instance, rights('counter', 'owner'));
    const other = await enter(instance);
    await recallRoom(instance);
    socket.send({ type: 'ticket.renew', ticket: old });
    expect(await socket.closed()).toEqual(REFUSED);
    other.send({ type: 'ticket.renew', ticket: await makeTicket({ instance }) });
    await other.frame('ticket.renewed');
    expect(await other.call('whoami')).toMatchObject({ success: true });
  });

  test('lends no rights to frames that come right behind its renewal', async () => {
    const instance = newRoom();
    const old = await makeTicket({ instance, ...rights('counter', 'owner') });
    const socket = await enter(instance, { scope: 'agent:connect agent:state:read', ...issuedAfter(1) });
    await recallRoom(instance);
    socket.send({ type: 'ticket.renew', ticket: old });
    for (const id of ['1', '2', '3']) socket.send({ type: 'rpc', id, method: 'increment', args: [] });
    expect(await socket.closed()).toEqual(REFUSED);
    expect(socket.frames).not.toContainEqual(expect.objectContaining({ type: 'ticket.renewed' }));
    expect(socket.frames).not.toContainEqual(expect.objectContaining({ type: 'rpc', success: true }));
  });

  test.for(['GET', 'POST'])(
    'is refused for a plain request, and its agent is not asked: %s',
    async (method) => {
      const instance = newRoom();
      await recall(`instance:witness/${instance}`);
      const say = async (claims: object = {}, path = '') => {
        const scope = 'agent:connect agent:state:read agent:message';
        const ticket = await makeTicket({ instance, agent: 'witness', scope, ...claims });
        const answer = await ask(`/agents/witness/${instance}${path}`, { method, ticket, front: gate });
        return answer.status;
      };
      expect([await say(), await say({ transport: 'http' }, '/stream/short')]).toEqual([401, 401]);
      expect(await ownSessions(witness(instance))).toEqual([]);
      expect(await say(issuedAfter(1))).toBe(200);
    },
  );

  test('opens no stream where the recall comes while the agent is asked', async () => {
    const instance = `recalled-${newRoom()}`;
    const scope = 'agent:connect agent:state:read';
    const ticket = await makeTicket({ instance, agent: 'witness', scope, transport: 'http' });
    const answer = await ask(`/agents/witness/${instance}/stream`, { ticket, front: gate });
    expect(answer.status).toBe(401);
    expect(await answer.text()).not.toContain('data: 1');
    expect(await ownSessions(witness(instance))).toMatchObject([{ end_reason: 'rights_changed' }]);
  });

  test('opens a session between the time and the recall, which the command ends', async () => {
    const instance = newRoom();
    const ticket = await makeTicket({ instance });
    // The object’s clock is ahead of the broker’s, or the recall was under way.
    vi.setSystemTime(NOW_MS + 400);
    const early = await connect(`/agents/counter/${instance}`, { ticket });
    await early.frame('cf_agent_state');
    const later = await enter(instance, issuedAfter(400));
    await expectEvents(instance, Array(2).fill(['ticket.used', 'session.opened']).flat());
    await recallRoom(instance, NOW_MS + 200);
    const refresh = { op: 'refresh', agent: 'counter', instance };
    const told = await command(await makeCommand(refresh, { before: NOW_MS + 200 }));
    expect(told.body).toMatchObject({ closed: 1, objects: 1 });
    expect(await early.closed()).toEqual(REFUSED);
    expect(await later.call('whoami')).toMatchObject({ success: true });
  });

  test('and a deletion at any moment of six openings leave none open', async () => {
    const [instance, sub] = [newRoom(), newPerson()];
    const tickets = await Promise.all(Array.from({ length: 6 }, () => makeTicket({ instance, sub })));
    const opening = tickets.map((ticket) => connect(`/agents/counter/${instance}`, { ticket }));
    // As the broker does it.
    await recall(`instance:counter/${instance}`, NOW_MS, sub);
    const refresh = { op: 'refresh', agent: 'counter', instance, principal: sub };
    await command(await makeCommand(refresh, { before: NOW_MS }));
    for (const socket of await Promise.all(opening)) expect(await socket.closed()).toEqual(REFUSED);
    const own = await ownSessions(counter(instance));
    expect(own.map(({ end_reason }) => end_reason)).toEqual(Array(6).fill('rights_changed'));
  });
});

describe('while the record database refuses', () => {
  const rename = (from: string, to: string) => env.RECORD.exec(`ALTER TABLE ${from} RENAME TO ${to}`);
  const isThere = () =>
    env.RECORD.prepare("SELECT name FROM sqlite_master WHERE name = 'audit_events'").first();
  const mend = async () => {
    if ((await isThere()) === null) await rename('audit_events_away', 'audit_events');
  };
  afterEach(mend);

  test('a ticket is taken, and its session ends when the database is back', async () => {
    const instance = newRoom();
    await recallRoom(instance);
    await rename('audit_events', 'audit_events_away');
    const socket = await enter(instance);
    expect(await socket.call('whoami')).toMatchObject({ success: true });
    await mend();
    vi.setSystemTime(NOW_MS + 7_000);
    await runDurableObjectAlarm(counter(instance));
    expect(await socket.closed()).toEqual(REFUSED);
    await eventually(async () =>
      expect(await sessionsOf(instance)).toMatchObject([{ end_reason: 'rights_changed' }]),
    );
  });
});

describe('an actor', () => {
  const robot = () => `auth0:t:robot-${crypto.randomUUID()}`;
  const actedBy = (...actors: readonly string[]) => ({
    act: actors.reduceRight<object | undefined>(
      (act, sub) => ({ sub, ...(act === undefined ? {} : { act }) }),
      undefined,
    ),
  });
  const lock = (id: string) =>
    env.RECORD.prepare('INSERT INTO locks (target, until) VALUES (?, NULL)').bind(`principal:${id}`).run();
  const LOCKED = { code: 4003, reason: 'forbidden' };

  test.for([
    ['the current one', 0],
    ['one before it', 1],
  ] as const)('who is locked opens nothing for anybody: %s', async ([, which]) => {
    const [instance, actors] = [newRoom(), [robot(), robot()]];
    await lock(actors[which] ?? '');
    expect(await knock(instance, actedBy(...actors))).toMatchObject({ ...LOCKED, frames: [] });
    await enter(instance);
  });

  test('who is locked renews nothing', async () => {
    const [instance, actor] = [newRoom(), robot()];
    const socket = await enter(instance, actedBy(actor));
    await lock(actor);
    socket.send({ type: 'ticket.renew', ticket: await makeTicket({ instance, ...actedBy(actor) }) });
    expect(await socket.closed()).toEqual(LOCKED);
  });

  test.for([
    ['locked', 'lock', 4003],
    ['signed out', 'terminate', 4003],
  ] as const)('who is %s loses what was opened so, and nobody else does', async ([, op, code]) => {
    const [one, two, actor] = [newRoom(), newRoom(), robot()];
    const acting = [await enter(one, actedBy(actor)), await enter(two, actedBy(robot(), actor))];
    const own = await enter(two, { sub: actor });
    const other = await enter(one, actedBy(robot()));
    await expectEvents(one, Array(2).fill(['ticket.used', 'session.opened']).flat());
    await expectEvents(two, Array(2).fill(['ticket.used', 'session.opened']).flat());
    const target = { kind: 'principal', id: actor };
    const cmd = { op, target, ...(op === 'lock' ? { until: null } : {}) };
    expect((await command(await makeCommand(cmd))).body).toMatchObject({ closed: 3, objects: 2 });
    for (const socket of [...acting, own]) expect(await socket.closed()).toMatchObject({ code });
    expect(await other.call('whoami')).toMatchObject({ success: true });
  });

  test('may be the client of an exchange, which a ticket has by its name in OAuth', async () => {
    const [instance, client_id] = [newRoom(), `svc_${crypto.randomUUID()}`];
    const socket = await enter(instance, { client_id });
    const other = await enter(instance, { client_id: `${client_id}0` });
    await expectEvents(instance, Array(2).fill(['ticket.used', 'session.opened']).flat());
    await lock(`client:${client_id}`);
    const target = { kind: 'principal', id: `client:${client_id}` };
    const told = await command(await makeCommand({ op: 'lock', target, until: null }));
    expect(told.body).toMatchObject({ closed: 1, objects: 1 });
    expect(await socket.closed()).toEqual(LOCKED);
    expect(await knock(instance, { client_id })).toMatchObject({ ...LOCKED, frames: [] });
    expect(await other.call('whoami')).toMatchObject({ success: true });
  });

  test('who signed out opens nothing by a ticket from before', async () => {
    const [instance, actor] = [newRoom(), robot()];
    await recall(`principal:${actor}`);
    expect(await knock(instance, actedBy(actor))).toMatchObject({ ...REFUSED, frames: [] });
    await enter(instance, { ...actedBy(actor), ...issuedAfter(1) });
  });

  test('does not come back with a new ticket when rights of its own changed: here the subject’s count', async () => {
    const [instance, actor] = [newRoom(), robot()];
    const socket = await enter(instance, actedBy(actor));
    const cmd = { op: 'refresh', agent: 'counter', instance, principal: actor };
    expect(await order(counter(instance), JSON.parse(JSON.stringify(cmd)))).toBe(0);
    expect(await socket.call('whoami')).toMatchObject({ success: true });
  });
});
