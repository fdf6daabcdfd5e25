import { evictDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { answerControl, type ControlPorts } from '../src/control.ts';
import { gateConfig } from './gate.ts';
import { counter, objectIds, ownSessions } from './objects.ts';
import { command, makeCommand } from './orders.ts';
import { expectEvents } from './record.ts';
import { connect, refusedSocket, type Socket, upgrade } from './sockets.ts';
import {
  AUDIENCE,
  makeTicket,
  NOW,
  newRoom,
  nextSigner,
  rights,
  SUBJECT,
  signer,
  stranger,
} from './tickets.ts';

/** `POST /control`: how the broker ends sessions. */

async function enter(instance: string, claims: object = {}, how = {}): Promise<Socket> {
  const ticket = await makeTicket({ instance, ...rights('counter', 'owner'), ...claims }, how);
  const socket = await connect(`/agents/counter/${instance}`, { ticket });
  await socket.frame('cf_agent_state');
  return socket;
}

/** A socket whose session has reached the record database, where commands look for it. */
async function enterRecorded(instance: string, claims: object = {}, how = {}): Promise<Socket> {
  const socket = await enter(instance, claims, how);
  await expectEvents(instance, ['ticket.used', 'session.opened']);
  return socket;
}

const instanceTarget = (instance: string) => ({ kind: 'instance', agent: 'counter', instance });
const receipt = (other: object) => ({
  status: 200,
  body: { closed: 0, objects: 0, unreachable: 0, pending: 0, ms: expect.any(Number), ...other },
});

// What other tests left open must not be counted here.
beforeEach(() => env.RECORD.exec('UPDATE agent_sessions SET ended_at = 1 WHERE ended_at IS NULL'));

describe('a command', () => {
  const terminate = { op: 'terminate', target: instanceTarget('untouched') };
  const seconds = (iat: number, exp: number) => ({ iat: NOW + iat, exp: NOW + exp });

  test.for<[why: string, token: () => Promise<string | undefined>]>([
    ['without a token', async () => undefined],
    ['with something else', async () => 'nonsense'],
    ['with a ticket', () => makeTicket({ instance: 'untouched' })],
    ['with a ticket for control', () => makeTicket({ instance: 'untouched', aud: `${AUDIENCE}/control` })],
    ['for the audience of tickets', () => makeCommand(terminate, { aud: AUDIENCE })],
    ['for another worker', () => makeCommand(terminate, { aud: 'others/control' })],
    ['of another issuer', () => makeCommand(terminate, { iss: 'https://other.example' })],
    ['of the type of tickets', () => makeCommand(terminate, {}, { header: { typ: 'agent-ticket+jwt' } })],
    ['of a key nobody published', () => makeCommand(terminate, {}, { by: stranger })],
    ['of another key', () => makeCommand(terminate, {}, { by: stranger, header: { kid: signer.kid } })],
    ['with another algorithm', () => makeCommand(terminate, {}, { header: { alg: 'none' } })],
    ['that expired', () => makeCommand(terminate, seconds(-35, -5))],
    ['from the future', () => makeCommand(terminate, seconds(6, 30))],
    ['that lasts too long', () => makeCommand(terminate, seconds(0, 31))],
    ['without a time for sessions', () => makeCommand(terminate, { before: undefined })],
    ['of an unknown kind', () => makeCommand({ ...terminate, op: 'obey' })],
    ['for nobody', () => makeCommand({ op: 'terminate' })],
    [
      'to destroy more than an instance',
      () => makeCommand({ op: 'destroy', target: { kind: 'everything' } }),
    ],
    ['that says more', () => makeCommand({ ...terminate, more: true })],
  ])('%s is refused, and wakes nothing', async ([, token]) => {
    const before = await objectIds();
    const { status, body } = await command(await token());
    expect([status, body]).toMatchObject([401, { error: { code: 'UNAUTHORIZED' } }]);
    expect(await objectIds()).toEqual(before);
  });

  test('is refused at the gate: it is no ticket', async () => {
    const token = await makeCommand(terminate);
    const answer = await upgrade(`/agents/counter/${newRoom()}`, { ticket: token });
    expect(await refusedSocket(answer)).toMatchObject({ code: 4001, frames: [] });
  });

  test.for(['GET', 'PUT', 'DELETE', 'OPTIONS'])('by %s is refused', async (method) => {
    const { status } = await command(await makeCommand(terminate), method);
    expect(status).toBe(405);
  });

  test('of the next key is taken', async () => {
    const token = await makeCommand(terminate, {}, { by: nextSigner });
    expect(await command(token)).toEqual(receipt({ objects: 1 }));
  });
});

describe('terminate', () => {
  test('closes every socket of an instance, asleep too, with a receipt; again it finds none', async () => {
    const instance = newRoom();
    const sockets = [await enter(instance), await enter(instance), await enter(instance)];
    await evictDurableObject(counter(instance));
    const token = await makeCommand({ op: 'terminate', target: instanceTarget(instance) });
    expect(await command(token)).toEqual(receipt({ closed: 3, objects: 1 }));
    for (const socket of sockets) expect(await socket.closed()).toEqual({ code: 4003, reason: 'forbidden' });
    expect(await command(token)).toEqual(receipt({ objects: 1 }));
    const own = await ownSessions(counter(instance));
    expect(own.map(({ end_reason }) => end_reason)).toEqual(Array(3).fill('session_terminated'));
  });

  test('closes a principal everywhere, and nobody else', async () => {
    const sub = `auth0:t:${crypto.randomUUID()}`;
    const [one, two] = [newRoom(), newRoom()];
    const theirs = [await enterRecorded(one, { sub }), await enterRecorded(two, { sub })];
    const other = await enter(one);
    const token = await makeCommand({ op: 'terminate', target: { kind: 'principal', id: sub } });
    expect(await command(token)).toEqual(receipt({ closed: 2, objects: 2 }));
    for (const socket of theirs) expect(await socket.closed()).toMatchObject({ code: 4003 });
    expect(await other.call('whoami')).toMatchObject({ success: true });
  });

  test('closes one session, the sockets of a service token, those of a key, or everything', async () => {
    const instance = newRoom();
    const id = crypto.randomUUID();
    const [plain, service, keyed] = [
      await enterRecorded(instance),
      await enter(instance, { sub: `token:${id}` }),
      await enter(instance, {}, { by: nextSigner }),
    ];
    await expectEvents(instance, Array(3).fill(['ticket.used', 'session.opened']).flat());
    const [session] = await ownSessions(counter(instance));
    const ends = async (target: object, socket: Socket) => {
      expect(await command(await makeCommand({ op: 'terminate', target }))).toEqual(
        receipt({ closed: 1, objects: 1 }),
      );
      expect(await socket.closed()).toMatchObject({ code: 4003 });
    };
    const whoami = Object((await plain.call('whoami')).result);
    expect(typeof session?.id).toBe('string');
    await ends({ kind: 'session', id: whoami.session }, plain);
    await ends({ kind: 'service-token', id }, service);
    await ends({ kind: 'key', kid: nextSigner.kid }, keyed);
    const last = await enter(instance, { sub: 'auth0:t:last' });
    await expectEvents(instance, [
      ...Array(3).fill(['ticket.used', 'session.opened']).flat(),
      ...Array(3).fill('session.closed'),
      'ticket.used',
      'session.opened',
    ]);
    await ends({ kind: 'everything' }, last);
  });

  test('touches no session that started after it was first given', async () => {
    const instance = newRoom();
    const early = await enter(instance);
    vi.setSystemTime((NOW + 1) * 1000);
    const late = await enter(instance);
    const token = await makeCommand(
      { op: 'terminate', target: instanceTarget(instance) },
      { before: NOW * 1000 },
    );
    expect(await command(token)).toEqual(receipt({ closed: 1, objects: 1 }));
    expect(await early.closed()).toMatchObject({ code: 4003 });
    expect(await late.call('whoami')).toMatchObject({ success: true });
  });
});

describe('lock and unlock', () => {
  test('close an instance to tickets already minted, until it is opened again or the time is up', async () => {
    const instance = newRoom();
    const socket = await enter(instance);
    const minted = await makeTicket({ instance });
    const lock = (until: number | null) =>
      makeCommand({ op: 'lock', target: instanceTarget(instance), until });
    const knock = async (ticket: string) =>
      refusedSocket(await upgrade(`/agents/counter/${instance}`, { ticket }));
    expect(await command(await lock(null))).toEqual(receipt({ closed: 1, objects: 1 }));
    expect(await socket.closed()).toEqual({ code: 4003, reason: 'forbidden' });
    expect(await knock(minted)).toMatchObject({ code: 4003, reason: 'forbidden', frames: [] });

    await command(await makeCommand({ op: 'unlock', target: instanceTarget(instance) }));
    await (await connect(`/agents/counter/${instance}`, { ticket: minted })).frame('cf_agent_state');

    await command(await lock((NOW + 10) * 1000));
    expect(await knock(await makeTicket({ instance }))).toMatchObject({ code: 4003 });
    vi.setSystemTime((NOW + 10) * 1000);
    await enter(instance);
  });
});

describe('refresh', () => {
  test('has clients of one agent come back with a new ticket: one principal or all', async () => {
    const instance = newRoom();
    const sub = `auth0:t:${crypto.randomUUID()}`;
    const theirs = await enterRecorded(instance, { sub });
    const other = await enter(instance);
    const refresh = { op: 'refresh', agent: 'counter', instance };
    expect(await command(await makeCommand({ ...refresh, principal: sub }))).toEqual(
      receipt({ closed: 1, objects: 1 }),
    );
    expect(await theirs.closed()).toEqual({ code: 3000, reason: 'rights_changed' });
    expect(await other.call('whoami')).toMatchObject({ success: true });
    await expectEvents(instance, [
      ...Array(2).fill(['ticket.used', 'session.opened']).flat(),
      'session.closed',
    ]);
    expect(await command(await makeCommand({ op: 'refresh', agent: 'counter' }))).toEqual(
      receipt({ closed: 1, objects: 1 }),
    );
    expect(await other.closed()).toEqual({ code: 3000, reason: 'rights_changed' });
  });
});

/** Ports under which nothing is there and nobody is asked. */
const PORTS: ControlPorts = {
  config: gateConfig,
  findKey: async () => ({ ok: true, value: { alg: signer.alg, key: signer.publicKey } }),
  sessions: { listOpen: async () => [] },
  liveObjects: { list: async () => [], count: async () => 0 },
  order: async () => ({ closed: 0 }),
  callRoll: async () => ({ open: [], ended: [] }),
  deliver: async () => {},
  random: () => 0,
  randomId: () => crypto.randomUUID(),
  clock: () => Date.now(),
  log: () => {},
};

describe('a fan-out', () => {
  /** Sessions in the record alone, one in each of so many rooms, older than any command. */
  async function recorded(rooms: number) {
    const sub = `auth0:t:${crypto.randomUUID()}`;
    await env.RECORD.batch(
      Array.from({ length: rooms }, (_, n) =>
        env.RECORD.prepare(
          `INSERT INTO agent_sessions (id, user_id, agent_slug, instance_id, role, scope, started_at, jti, kid, issued_at)
           VALUES (?, ?, 'counter', ?, 'viewer', 'agent:connect', 1, ?, 'k', 1)`,
        ).bind(crypto.randomUUID(), sub, `${newRoom()}-${n}`, crypto.randomUUID()),
      ),
    );
    return sub;
  }

  test('over a hundred objects leaves the rest pending, and says how many', async () => {
    const sub = await recorded(123);
    const token = await makeCommand({ op: 'terminate', target: { kind: 'principal', id: sub } });
    expect(await command(token)).toEqual({ ...receipt({ objects: 100, pending: 23 }), status: 202 });
  });

  test('over a hundred objects is done when it is repeated', async () => {
    const sub = `auth0:t:${crypto.randomUUID()}`;
    const rooms = Array.from({ length: 104 }, newRoom);
    const sockets = await Promise.all(rooms.map((room) => enter(room, { sub })));
    await eventually(async () => {
      const live = await env.RECORD.prepare(
        'SELECT 1 FROM agent_sessions WHERE user_id = ? AND ended_at IS NULL',
      );
      expect((await live.bind(sub).all()).results).toHaveLength(104);
    });
    const token = () => makeCommand({ op: 'terminate', target: { kind: 'principal', id: sub } });
    expect(await command(await token())).toEqual({
      ...receipt({ closed: 100, objects: 100, pending: 4 }),
      status: 202,
    });
    await eventually(async () => expect(await command(await token())).toMatchObject({ status: 200 }));
    for (const socket of sockets) expect(await socket.closed()).toMatchObject({ code: 4003 });
  });

  test('to unlock somebody asks no object: none keeps such a lock', async () => {
    const sub = await recorded(3);
    const token = await makeCommand({ op: 'unlock', target: { kind: 'principal', id: sub } });
    expect(await command(token)).toEqual(receipt({}));
  });

  test('to refresh somebody asks only where they are', async () => {
    const sub = await recorded(2);
    await recorded(120);
    const token = await makeCommand({ op: 'refresh', agent: 'counter', principal: sub });
    expect(await command(token)).toEqual(receipt({ objects: 2 }));
  });

  test('asks others in the place of a hundred objects that do not answer', async () => {
    const objects = Array.from({ length: 150 }, (_, n) => ({ agent: 'counter', instance: `i${100 + n}` }));
    const after = (place: { instance: string } | undefined) =>
      objects.filter(({ instance }) => place === undefined || instance > place.instance);
    const answer = await answerControl(
      new Request('http://127.0.0.1:8788/control', {
        method: 'POST',
        headers: {
          authorization: `Bearer ${await makeCommand({ op: 'terminate', target: { kind: 'everything' } })}`,
        },
      }),
      {
        ...PORTS,
        liveObjects: {
          list: async (_, place, limit) => after(place).slice(0, limit),
          count: async (_, place) => after(place).length,
        },
        order: async (_, instance) => {
          if (instance < 'i200') throw new Error('overloaded');
          return { closed: 1 };
        },
      },
    );
    expect({ status: answer.status, body: await answer.json() }).toEqual({
      ...receipt({ closed: 50, objects: 50, unreachable: 100 }),
    });
  });

  test('counts objects that do not answer, and asks the others all the same', async () => {
    const asked: string[] = [];
    const token = await makeCommand({ op: 'terminate', target: { kind: 'principal', id: SUBJECT } });
    const request = new Request('http://127.0.0.1:8788/control', {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
    });
    const answer = await answerControl(request, {
      ...PORTS,
      liveObjects: {
        ...PORTS.liveObjects,
        list: async (_, after) =>
          after === undefined ? ['a', 'b', 'c'].map((instance) => ({ agent: 'counter', instance })) : [],
      },
      order: async (_, instance) => {
        asked.push(instance);
        if (instance === 'b') throw new Error('overloaded');
        return { closed: 2 };
      },
    });
    expect({ status: answer.status, body: await answer.json() }).toEqual(
      receipt({ closed: 4, objects: 2, unreachable: 1 }),
    );
    expect(asked).toEqual(['a', 'b', 'c']);
  });
});
