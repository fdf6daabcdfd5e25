import { runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { REVOCATION_KEPT_MS, type Revocation } from '@agent-ticket/shared/revocation.ts';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { afterEach, describe, expect, test, vi } from 'vitest';
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
import { counter, ownSessions, receivedBy, sweep, witness } from './objects.ts';
import { expectEvents, sessionsOf } from './record.ts';
import { ask, connect, refusedSocket, type Socket, upgrade } from './sockets.ts';
import { makeTicket, NOW, newInstance, rights } from './tickets.ts';

/** Tickets whose rights were taken away after they were minted. */

const NOW_MS = NOW * 1000;
const REFUSED = { code: 3000, reason: 'rights_changed' };
const FORBIDDEN = { code: 4003, reason: 'forbidden' };
/** Decided at the change or after it. */
const AFTER = { rev: NEXT_REV };

const nameOf = (instance: string) => `instance:counter/${instance}`;
const revoke = (revocation: Revocation) => control({ op: 'revoke', revocation });

const newPerson = () => `auth0:t:${crypto.randomUUID()}`;
const newClient = () => `svc_${crypto.randomUUID().replaceAll('-', '').slice(0, 22)}`;
const newGrant = () => crypto.randomUUID();
const tryUpgrade = async (instance: string, claims: object = {}) =>
  refusedSocket(
    await upgrade(`/agents/counter/${instance}`, { ticket: await makeTicket({ instance, ...claims }) }),
  );
const enter = async (instance: string, claims: object = {}): Promise<Socket> => {
  const socket = await connect(`/agents/counter/${instance}`, {
    ticket: await makeTicket({ instance, ...claims }),
  });
  await socket.frame('cf_agent_state');
  return socket;
};
const expectOpened = (instance: string, sessions: number) =>
  expectEvents(instance, Array(sessions).fill(['ticket.used', 'session.opened']).flat());

describe('a ticket from before', () => {
  test.for<[of: string, target: (instance: string, sub: string) => string, claims?: object]>([
    ['everybody on the instance', (instance) => nameOf(instance)],
    ['a person who signed out', (_, sub) => `principal:${sub}`],
    ['a deleted grant', (instance) => `grant:${instance}`],
    ['a sign-in that ended', (instance) => `login:${instance}`],
  ])('of %s opens nothing, and no frame of the agent arrives', async ([, target]) => {
    const [instance, sub] = [newInstance(), newPerson()];
    const claims = { sub, grant: instance, login: instance };
    await revokedBefore(refresh(target(instance, sub)));
    expect(await tryUpgrade(instance, claims)).toMatchObject({ ...REFUSED, frames: [] });
    expect(await sessionsOf(instance)).toEqual([]);
    // The number decides, not the clock.
    vi.setSystemTime(NOW_MS + 3_000);
    expect(await tryUpgrade(instance, claims)).toMatchObject(REFUSED);
    await enter(instance, { ...claims, ...AFTER });
  });

  test('reaches no code of the agent', async () => {
    const instance = newInstance();
    await revokedBefore(refresh(`instance:witness/${instance}`));
    const ticket = await makeTicket({ instance, agent: 'witness', scope: 'agent:connect agent:message' });
    const socket = await connect(`/agents/witness/${instance}`, { ticket, front: gate });
    socket.send('early');
    expect(await socket.closed()).toEqual(REFUSED);
    expect(socket.frames).toEqual([]);
    expect(await receivedBy(instance)).toEqual([]);
  });

  test('leaves another person, another instance, another agent and another grant alone', async () => {
    const [instance, sub] = [newInstance(), newPerson()];
    const grant = newGrant();
    await recordRevocation(lock(`grant:${grant}`));
    await recordRevocation(refresh(`instance:witness/${instance}`));
    await recordRevocation(refresh(`principal:${newPerson()}`));
    await enter(instance);
    await enter(newInstance(), { sub });
    await enter(newInstance(), { sub, grant: newGrant() });
  });

  test('carries no session on', async () => {
    const instance = newInstance();
    const socket = await enter(instance, { ...rights('counter', 'owner'), ...AFTER });
    const other = await enter(instance, AFTER);
    await revokedBefore(refresh(nameOf(instance)));
    const old = await makeTicket({ instance, ...rights('counter', 'owner') });
    socket.send({ type: 'ticket.renew', ticket: old });
    expect(await socket.closed()).toEqual(REFUSED);
    other.send({ type: 'ticket.renew', ticket: await makeTicket({ instance, ...AFTER }) });
    await other.frame('ticket.renewed');
    expect(await other.call('whoami')).toMatchObject({ success: true });
  });

  test('gives no rights to frames that come right behind its renewal', async () => {
    const instance = newInstance();
    const socket = await enter(instance, { scope: 'agent:connect agent:state:read', ...AFTER });
    await revokedBefore(refresh(nameOf(instance)));
    const old = await makeTicket({ instance, ...rights('counter', 'owner') });
    socket.send({ type: 'ticket.renew', ticket: old });
    for (const id of ['1', '2', '3']) socket.send({ type: 'rpc', id, method: 'increment', args: [] });
    expect(await socket.closed()).toEqual(REFUSED);
    expect(socket.frames).not.toContainEqual(expect.objectContaining({ type: 'ticket.renewed' }));
    expect(socket.frames).not.toContainEqual(expect.objectContaining({ type: 'rpc', success: true }));
  });

  test.for(['GET', 'POST'])(
    'is refused for a plain request, and its agent is not asked: %s',
    async (method) => {
      const instance = newInstance();
      await revokedBefore(refresh(`instance:witness/${instance}`));
      const statusOf = async (claims: object = {}, path = '') => {
        const scope = 'agent:connect agent:state:read agent:message';
        const ticket = await makeTicket({ instance, agent: 'witness', scope, ...claims });
        const answer = await ask(`/agents/witness/${instance}${path}`, { method, ticket, front: gate });
        return answer.status;
      };
      const http = { transport: 'http' };
      expect([await statusOf(), await statusOf(http, '/stream/short')]).toEqual([401, 401]);
      expect(await ownSessions(witness(instance))).toEqual([]);
      expect(await statusOf(AFTER)).toBe(200);
    },
  );

  test('opens a stream that is cut where the revocation comes while the agent is asked', async () => {
    const instance = `revoked-${newInstance()}`;
    const scope = 'agent:connect agent:state:read';
    const ticket = await makeTicket({ instance, agent: 'witness', scope, transport: 'http' });
    const answer = await ask(`/agents/witness/${instance}/stream`, { ticket, front: gate });
    expect(answer.status).toBe(200);
    await expect(answer.text()).rejects.toThrow();
    expect(await ownSessions(witness(instance))).toMatchObject([{ end_reason: 'rights_changed' }]);
  });

  test('opens a session between the change and its command, which the command ends', async () => {
    const instance = newInstance();
    const early = await enter(instance);
    const later = await enter(instance, AFTER);
    await expectOpened(instance, 2);
    const change = refresh(nameOf(instance));
    await recordRevocation(change);
    expect((await revoke(change)).body).toMatchObject({ closed: 1, objects: 1 });
    expect(await early.closed()).toEqual(REFUSED);
    expect(await later.call('whoami')).toMatchObject({ success: true });
  });

  test.for<[of: string, target: (instance: string, sub: string) => string]>([
    ['an instance', (instance) => nameOf(instance)],
    ['a principal', (_, sub) => `principal:${sub}`],
  ])('and a revocation of %s at any moment of six openings leave none open', async ([, target]) => {
    const [instance, sub] = [newInstance(), newPerson()];
    const tickets = await Promise.all(Array.from({ length: 6 }, () => makeTicket({ instance, sub })));
    const opening = tickets.map((ticket) => connect(`/agents/counter/${instance}`, { ticket }));
    // As the broker does it.
    const change = refresh(target(instance, sub));
    await recordRevocation(change);
    await revoke(change);
    for (const socket of await Promise.all(opening)) expect(await socket.closed()).toEqual(REFUSED);
    const own = await ownSessions(counter(instance));
    expect(own.map(({ end_reason }) => end_reason)).toEqual(Array(6).fill('rights_changed'));
  });
});

describe('a ticket that rests on a grant', () => {
  test('is ended and refused by the revocation of that grant, and others of the same person are not', async () => {
    const [instance, sub, grant] = [newInstance(), newPerson(), newGrant()];
    const resting = await enter(instance, { sub, grant });
    const other = await enter(instance, { sub, grant: newGrant() });
    const free = await enter(instance, { sub });
    await expectOpened(instance, 3);
    const deletion = lock(`grant:${grant}`, { code: 'rights_changed' });
    await recordRevocation(deletion);
    expect((await revoke(deletion)).body).toMatchObject({ closed: 1, objects: 1 });
    await revokedBefore(deletion);
    expect(await resting.closed()).toEqual(REFUSED);
    for (const socket of [other, free]) expect(await socket.call('whoami')).toMatchObject({ success: true });
    // Whatever its number: nothing may be decided by a grant that is gone.
    expect(await tryUpgrade(instance, { sub, grant, ...AFTER })).toMatchObject(REFUSED);
  });
});

describe('the lapse of a claim', () => {
  const lapse = async (instance: string, grant: string) =>
    (
      await control({
        op: 'lapse',
        ...placeOf(instance, 'witness'),
        revocation: lock(`grant:${grant}`, { code: 'session_terminated' }),
      })
    ).body;
  const SCOPE = 'agent:connect agent:state:read agent:message';
  const ticketOf = (instance: string, claims: object = {}) =>
    makeTicket({ instance, agent: 'witness', scope: SCOPE, ...claims });
  const open = async (instance: string, claims: object = {}) => {
    const ticket = await ticketOf(instance, claims);
    const socket = await connect(`/agents/witness/${instance}`, { ticket, front: gate });
    await socket.frame('seen');
    return socket;
  };
  const get = async (instance: string, claims: object = {}) =>
    ask(`/agents/witness/${instance}`, { ticket: await ticketOf(instance, claims), front: gate });
  const FREE = { closed: 0, objects: 1, unreachable: 0, opened: false };
  const OPENED = { ...FREE, opened: true };

  test('finds a grant that was never used free, twice, and its kept tickets are refused afterwards', async () => {
    const [instance, grant] = [newInstance(), newGrant()];
    const other = await open(instance, { grant: newGrant() });
    expect(await lapse(instance, grant)).toMatchObject(FREE);
    expect(await lapse(instance, grant)).toMatchObject(FREE);
    const kept = await ticketOf(instance, { grant, ...AFTER });
    const socket = await upgrade(`/agents/witness/${instance}`, { ticket: kept, front: gate });
    expect(await refusedSocket(socket)).toMatchObject({ ...FORBIDDEN, frames: [] });
    expect((await ask(`/agents/witness/${instance}`, { ticket: kept, front: gate })).status).toBe(403);
    other.send({ type: 'ticket.renew', ticket: kept });
    expect(await other.frame('ticket.refused')).toMatchObject({ code: 'forbidden' });
    // A refused ticket was no use.
    expect(await lapse(instance, grant)).toMatchObject(FREE);
    await open(instance, { grant: newGrant() });
  });

  test.for<[how: string, use: (instance: string, grant: string) => Promise<unknown>]>([
    ['a socket', (instance, grant) => open(instance, { grant })],
    ['a plain GET alone', (instance, grant) => get(instance, { grant })],
    [
      'a renewal alone',
      async (instance, grant) => {
        const socket = await open(instance, { grant: newGrant() });
        socket.send({ type: 'ticket.renew', ticket: await ticketOf(instance, { grant }) });
        return socket.frame('ticket.renewed');
      },
    ],
  ])('finds a grant that %s has used opened, and takes nothing away', async ([, use]) => {
    const [instance, grant] = [newInstance(), newGrant()];
    await use(instance, grant);
    expect(await lapse(instance, grant)).toMatchObject(OPENED);
    expect(await lapse(instance, newGrant())).toMatchObject(FREE);
    expect((await get(instance, { grant })).status).toBe(200);
  });

  test('finds a grant whose session has ended long ago opened', async () => {
    const [instance, grant] = [newInstance(), newGrant()];
    const socket = await open(instance, { grant });
    socket.close();
    await socket.closed();
    await expectEvents(instance, ['ticket.used', 'session.opened', 'session.closed']);
    vi.setSystemTime(NOW_MS + 48 * 3600_000);
    // Until the answer of the recorder is there the row stays.
    await eventually(async () => {
      await sweep(witness(instance));
      expect(await ownSessions(witness(instance))).toEqual([]);
    });
    expect(await lapse(instance, grant)).toMatchObject(OPENED);
  });

  test('finds every grant opened after the object was destroyed: the difference is unknown', async () => {
    const [instance, grant] = [newInstance(), newGrant()];
    await open(instance, { grant });
    await runInDurableObject(witness(instance), (agent) => agent.destroy()).catch(() => {});
    await eventually(async () => expect(await lapse(instance, grant)).toMatchObject(OPENED));
    expect(await lapse(instance, newGrant())).toMatchObject(OPENED);
  });

  test('of anything but a grant gives nothing free', async () => {
    const instance = newInstance();
    const revocation = lock(`principal:${newPerson()}`);
    const { body } = await control({ op: 'lapse', ...placeOf(instance, 'witness'), revocation });
    expect(body).toMatchObject(OPENED);
  });
});

test('an object forgets a revocation an hour and more after it stopped to hit, and keeps it until then', async () => {
  const instance = newInstance();
  const until = NOW_MS + 10_000;
  await revoke(lock(nameOf(instance), { until }));
  await revoke(lock(nameOf(instance), { id: 'for good' }));
  const kept = () =>
    runInDurableObject(counter(instance), (_, state) =>
      state.storage.sql.exec('SELECT id FROM ticket_revocations ORDER BY id').toArray(),
    );
  vi.setSystemTime(until + REVOCATION_KEPT_MS - 1);
  await sweep(counter(instance));
  expect(await kept()).toHaveLength(2);
  vi.setSystemTime(until + REVOCATION_KEPT_MS);
  await sweep(counter(instance));
  expect(await kept()).toEqual([{ id: 'for good' }]);
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
    const instance = newInstance();
    await recordRevocation(refresh(nameOf(instance)));
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
  const lockActor = (id: string) => revokedBefore(lock(`principal:${id}`));

  test.for([
    ['the current one', 0],
    ['one before it', 1],
  ] as const)('who is locked opens nothing for anybody: %s', async ([, which]) => {
    const [instance, actors] = [newInstance(), [robot(), robot()]];
    await lockActor(actors[which] ?? '');
    expect(await tryUpgrade(instance, actedBy(...actors))).toMatchObject(FORBIDDEN);
    await enter(instance);
  });

  test('who is locked renews nothing', async () => {
    const [instance, actor] = [newInstance(), robot()];
    const socket = await enter(instance, actedBy(actor));
    await lockActor(actor);
    socket.send({ type: 'ticket.renew', ticket: await makeTicket({ instance, ...actedBy(actor) }) });
    expect(await socket.closed()).toEqual(FORBIDDEN);
  });

  test.for<[how: string, make: typeof lock]>([
    ['locked', lock],
    ['signed out', cutoff],
  ])('who is %s loses the sessions opened so, and no other principal does', async ([, make]) => {
    const [one, two, actor] = [newInstance(), newInstance(), robot()];
    const acting = [await enter(one, actedBy(actor)), await enter(two, actedBy(robot(), actor))];
    const own = await enter(two, { sub: actor });
    const other = await enter(one, actedBy(robot()));
    await expectOpened(one, 2);
    await expectOpened(two, 2);
    expect((await revoke(make(`principal:${actor}`))).body).toMatchObject({ closed: 3, objects: 2 });
    for (const socket of [...acting, own]) expect(await socket.closed()).toMatchObject({ code: 4003 });
    expect(await other.call('whoami')).toMatchObject({ success: true });
  });

  test('may be the client of an exchange, which is the service token of that name', async () => {
    const [instance, client_id] = [newInstance(), newClient()];
    const socket = await enter(instance, { client_id });
    const token = await enter(instance, { sub: `token:${client_id}` });
    const other = await enter(instance, { client_id: newClient() });
    await expectOpened(instance, 3);
    const revocation = lock(`service-token:${client_id}`);
    await recordRevocation(revocation);
    expect((await revoke(revocation)).body).toMatchObject({ closed: 2, objects: 1 });
    for (const ended of [socket, token]) expect(await ended.closed()).toEqual(FORBIDDEN);
    await revokedBefore(revocation);
    expect(await tryUpgrade(instance, { client_id })).toMatchObject({ ...FORBIDDEN, frames: [] });
    expect(await other.call('whoami')).toMatchObject({ success: true });
  });

  test('may be a client that is no service token, by its name', async () => {
    const [instance, client_id] = [newInstance(), `app-${crypto.randomUUID()}`];
    await revokedBefore(lock(`principal:token:${client_id}`));
    expect(await tryUpgrade(instance, { client_id })).toMatchObject({ ...FORBIDDEN, frames: [] });
    await enter(instance, { client_id: `${client_id}0` });
  });

  test('who signed out opens nothing by a ticket from before', async () => {
    const [instance, actor] = [newInstance(), robot()];
    await revokedBefore(refresh(`principal:${actor}`));
    expect(await tryUpgrade(instance, actedBy(actor))).toMatchObject({ ...REFUSED, frames: [] });
    await enter(instance, { ...actedBy(actor), ...AFTER });
  });
});

describe('an address', () => {
  const enterFrom = async (address: string, instance: string, claims: object = {}) => {
    const ticket = await makeTicket({ instance, ...claims });
    const headers = { 'cf-connecting-ip': address };
    const socket = await connect(`/agents/counter/${instance}`, { ticket, headers });
    await socket.frame('cf_agent_state');
    return socket;
  };

  test('loses its sessions, of every principal, and no other address does', async () => {
    const [one, two] = [newInstance(), newInstance()];
    const here = [await enterFrom('192.0.2.7', one), await enterFrom('192.0.2.7', two, { sub: newPerson() })];
    const other = await enterFrom('192.0.2.70', one);
    await expectOpened(one, 2);
    await expectOpened(two, 1);
    const revocation = cutoff('address:192.0.2.7');
    await recordRevocation(revocation);
    expect((await revoke(revocation)).body).toMatchObject({ closed: 2, objects: 2 });
    for (const socket of here) expect(await socket.closed()).toEqual(FORBIDDEN);
    expect(await other.call('whoami')).toMatchObject({ success: true });
  });

  test('opens sessions afterwards, which end only where their ticket is from before', async () => {
    const [before, after] = [newInstance(), newInstance()];
    await recordRevocation(cutoff('address:2001:db8::7'));
    const late = await enterFrom('2001:db8::7', before);
    const fresh = await enterFrom('2001:db8::7', after, AFTER);
    expect(await late.closed()).toEqual(FORBIDDEN);
    await expectOpened(after, 1);
    expect(await fresh.call('whoami')).toMatchObject({ success: true });
  });
});
