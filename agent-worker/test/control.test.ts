import { evictDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { AGENTS } from '../../agents.ts';
import { answerControl, type ControlPorts } from '../src/control.ts';
import { command, control, cutoff, lock, makeCommand, NEXT_REV, placeOf, refresh } from './commands.ts';
import { gateConfig } from './gate.ts';
import { counter, objectIds, ownSessions } from './objects.ts';
import { expectEvents, sessionsOf } from './record.ts';
import { connect, refusedSocket, type Socket, upgrade } from './sockets.ts';
import {
  AUDIENCE,
  makeTicket,
  NOW,
  newInstance,
  nextSigner,
  rights,
  SUBJECT,
  signer,
  unknownSigner,
} from './tickets.ts';

/** `POST /control`: how the broker ends sessions. */

async function enter(instance: string, claims: object = {}, how = {}): Promise<Socket> {
  const ticket = await makeTicket({ instance, ...rights('counter', 'owner'), ...claims }, how);
  const socket = await connect(`/agents/counter/${instance}`, { ticket });
  await socket.frame('cf_agent_state');
  entered.set(instance, (entered.get(instance) ?? 0) + 1);
  return socket;
}

/** How many sessions the present test has opened, by instance. */
const entered = new Map<string, number>();

/** A socket whose session has reached the record database, where commands look for it. */
async function enterRecorded(instance: string, claims: object = {}, how = {}): Promise<Socket> {
  const socket = await enter(instance, claims, how);
  await expectEvents(instance, ['ticket.used', 'session.opened']);
  return socket;
}

const nameOf = (instance: string) => `instance:counter/${instance}`;
const revoke = (revocation: object) => ({ op: 'revoke', revocation });
const receipt = (other: object) => ({
  status: 200,
  body: { closed: 0, objects: 0, unreachable: 0, pending: 0, ms: expect.any(Number), ...other },
});

// What other tests left open must not be counted here, and no session may reach the record later than this.
afterEach(async () => {
  const opened = [...entered];
  entered.clear();
  for (const [instance, count] of opened)
    await eventually(async () => expect((await sessionsOf(instance)).length).toBeGreaterThanOrEqual(count));
});
beforeEach(() => env.RECORD.exec('UPDATE agent_sessions SET ended_at = 1 WHERE ended_at IS NULL'));

describe('a command', () => {
  const terminate = revoke(cutoff(nameOf('untouched')));
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
    ['of a key nobody published', () => makeCommand(terminate, {}, { by: unknownSigner })],
    ['of another key', () => makeCommand(terminate, {}, { by: unknownSigner, header: { kid: signer.kid } })],
    ['with another algorithm', () => makeCommand(terminate, {}, { header: { alg: 'none' } })],
    ['that expired', () => makeCommand(terminate, seconds(-35, -5))],
    ['from the future', () => makeCommand(terminate, seconds(6, 30))],
    ['that lasts too long', () => makeCommand(terminate, seconds(0, 31))],
    ['without a number', () => makeCommand(revoke({ ...terminate.revocation, rev: undefined }))],
    ['with a time for sessions', () => makeCommand(terminate, { before: Date.now() })],
    ['of an unknown kind', () => makeCommand({ ...terminate, op: 'obey' })],
    ['for nobody', () => makeCommand({ op: 'revoke' })],
    ['for a target of no kind', () => makeCommand(revoke(lock('room:untouched')))],
    [
      'to destroy more than an instance',
      () => makeCommand({ op: 'destroy', revocation: cutoff('everything:') }),
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
    const answer = await upgrade(`/agents/counter/${newInstance()}`, { ticket: token });
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

describe('a cutoff', () => {
  test('closes every socket of an instance, asleep too, with a receipt; again it finds none', async () => {
    const instance = newInstance();
    const sockets = [await enter(instance), await enter(instance), await enter(instance)];
    await evictDurableObject(counter(instance));
    const token = await makeCommand(revoke(cutoff(nameOf(instance))));
    expect(await command(token)).toEqual(receipt({ closed: 3, objects: 1 }));
    for (const socket of sockets) expect(await socket.closed()).toEqual({ code: 4003, reason: 'forbidden' });
    expect(await command(token)).toEqual(receipt({ objects: 1 }));
    const own = await ownSessions(counter(instance));
    expect(own.map(({ end_reason }) => end_reason)).toEqual(Array(3).fill('session_terminated'));
  });

  test('closes a principal everywhere, and nobody else', async () => {
    const sub = `auth0:t:${crypto.randomUUID()}`;
    const [one, two] = [newInstance(), newInstance()];
    const theirs = [await enterRecorded(one, { sub }), await enterRecorded(two, { sub })];
    const other = await enter(one);
    expect(await control(revoke(cutoff(`principal:${sub}`)))).toEqual(receipt({ closed: 2, objects: 2 }));
    for (const socket of theirs) expect(await socket.closed()).toMatchObject({ code: 4003 });
    expect(await other.call('whoami')).toMatchObject({ success: true });
  });

  test('closes no session whose ticket was decided at the change or later', async () => {
    const instance = newInstance();
    const early = await enter(instance);
    const equal = await enter(instance, { rev: NEXT_REV });
    const late = await enter(instance, { rev: NEXT_REV + 1 });
    expect(await control(revoke(cutoff(nameOf(instance))))).toEqual(receipt({ closed: 1, objects: 1 }));
    expect(await early.closed()).toMatchObject({ code: 4003 });
    for (const socket of [equal, late]) expect(await socket.call('whoami')).toMatchObject({ success: true });
  });
});

test('a revocation closes what its target names: a session, ticket, token, client, key, grant, login or all', async () => {
  const instance = newInstance();
  const svc = () => `svc_${crypto.randomUUID().replaceAll('-', '').slice(0, 22)}`;
  const [token, client, grant, login, jti] = [svc(), svc(), 'grant-1', 'login-1', crypto.randomUUID()];
  let opened = 0;
  const next = async (claims: object = {}, how = {}) => {
    const socket = await enter(instance, { sub: `auth0:t:${crypto.randomUUID()}`, ...claims }, how);
    opened += 1;
    return socket;
  };
  const plain = await next();
  const { session } = Object((await plain.call('whoami')).result);
  const cases: [string, Socket][] = [
    [`session:${session}`, plain],
    [`ticket:${jti}`, await next({ jti })],
    [`service-token:${token}`, await next({ sub: `token:${token}` })],
    [`service-token:${client}`, await next({ client_id: client })],
    [`key:${nextSigner.kid}`, await next({}, { by: nextSigner })],
    [`grant:${grant}`, await next({ grant })],
    [`login:${login}`, await next({ login })],
    ['everything:', await next()],
  ];
  await expectEvents(instance, Array(opened).fill(['ticket.used', 'session.opened']).flat());
  for (const [target, socket] of cases) {
    expect([target, await control(revoke(lock(target)))]).toEqual([
      target,
      receipt({ closed: 1, objects: 1 }),
    ]);
    expect(await socket.closed()).toMatchObject({ code: 4003 });
  }
});

describe('a lock and its lift', () => {
  test('close an instance to tickets already minted, until it is lifted or the time is up', async () => {
    const instance = newInstance();
    const socket = await enter(instance);
    const minted = await makeTicket({ instance });
    const name = nameOf(instance);
    const knock = async (ticket: string) =>
      refusedSocket(await upgrade(`/agents/counter/${instance}`, { ticket }));
    expect(await control(revoke(lock(name)))).toEqual(receipt({ closed: 1, objects: 1 }));
    expect(await socket.closed()).toEqual({ code: 4003, reason: 'forbidden' });
    expect(await knock(minted)).toMatchObject({ code: 4003, reason: 'forbidden', frames: [] });

    const lift = lock(name, { rev: NEXT_REV + 1, until: NOW * 1000 });
    expect(await control(revoke(lift))).toEqual(receipt({ objects: 1 }));
    await (await connect(`/agents/counter/${instance}`, { ticket: minted })).frame('cf_agent_state');

    await control(revoke(lock(name, { rev: NEXT_REV + 2, until: (NOW + 10) * 1000 })));
    expect(await knock(await makeTicket({ instance }))).toMatchObject({ code: 4003 });
    vi.setSystemTime((NOW + 10) * 1000);
    await enter(instance);
  });

  test('count by version at the object, in whatever order they arrive and however often', async () => {
    const instance = newInstance();
    const [name, rev] = [nameOf(instance), NEXT_REV];
    const lift = lock(name, { rev: rev + 1, until: NOW * 1000 });
    expect(await control(revoke(lift))).toEqual(receipt({ objects: 1 }));
    expect(await control(revoke(lock(name)))).toEqual(receipt({ objects: 1 }));
    const socket = await enter(instance);
    // A late retry of the lock closes nothing that was opened after its lift.
    expect(await control(revoke(lock(name)))).toEqual(receipt({ objects: 1 }));
    expect(await control(revoke(lift))).toEqual(receipt({ objects: 1 }));
    expect(await socket.call('whoami')).toMatchObject({ success: true });
    // A second lock is a newer version of the same row, and a late lift does not open it.
    expect(await control(revoke(lock(name, { rev: rev + 2 })))).toEqual(receipt({ closed: 1, objects: 1 }));
    await control(revoke(lift));
    const refused = await upgrade(`/agents/counter/${instance}`, { ticket: await makeTicket({ instance }) });
    expect(await refusedSocket(refused)).toMatchObject({ code: 4003, reason: 'forbidden' });
  });
});

describe('a late retry of a lock', () => {
  const svc = 'svc_0123456789abcdefghijkl';
  const person = 'auth0:t:locked-and-lifted';

  test.for([
    ['principal', `principal:${person}`, { sub: person }],
    ['actor', `principal:${person}`, { act: { sub: person } }],
    ['service token', `service-token:${svc}`, { sub: `token:${svc}` }],
    ['agent', 'agent:counter', {}],
    ['everything', 'everything:', {}],
  ] as const)(
    'by its %s closes no session whose ticket was decided after its lift',
    async ([, target, claims]) => {
      const instance = newInstance();
      const before = await enterRecorded(instance, claims);
      const after = await enter(instance, { ...claims, rev: NEXT_REV + 1 });
      expect(await control(revoke(lock(target)))).toMatchObject({ body: { closed: 1 } });
      expect(await before.closed()).toMatchObject({ code: 4003 });
      expect(await after.call('whoami')).toMatchObject({ success: true });
    },
  );

  test.for([
    ['session', (id: string) => `session:${id}`],
    ['key', () => `key:${signer.kid}`],
  ] as const)(
    'by its %s closes a session whatever its ticket says: no mint knows it, or the key is stolen',
    async ([, target]) => {
      const instance = newInstance();
      const socket = await enterRecorded(instance, { rev: NEXT_REV + 1 });
      const { session } = Object((await socket.call('whoami')).result);
      expect(await control(revoke(lock(target(session))))).toMatchObject({ body: { closed: 1 } });
      expect(await socket.closed()).toMatchObject({ code: 4003 });
    },
  );
});

describe('retries of a lock, its lift and a second lock', () => {
  test.for([
    ...[
      [0, 1, 2],
      [0, 2, 1],
      [1, 0, 2],
    ],
    ...[
      [1, 2, 0],
      [2, 0, 1],
      [2, 1, 0],
    ],
  ])('end in the newest of them in every order: %j', async (order) => {
    const [locked, lifted] = [newInstance(), newInstance()];
    const versionsOf = (instance: string) => {
      const [name, until] = [nameOf(instance), NOW * 1000];
      return [0, 1, 2].map((n) => lock(name, { rev: NEXT_REV + n, ...(n % 2 === 1 ? { until } : {}) }));
    };
    for (const n of [...order, ...order]) {
      await control(revoke(versionsOf(locked)[n] ?? {}));
      if (n < 2) await control(revoke(versionsOf(lifted)[n] ?? {}));
    }
    const refused = await upgrade(`/agents/counter/${locked}`, {
      ticket: await makeTicket({ instance: locked }),
    });
    expect(await refusedSocket(refused)).toMatchObject({ code: 4003, frames: [] });
    await enter(lifted);
  });
});

describe('a change of rights', () => {
  test('has clients of one agent come back with a new ticket: one principal or all', async () => {
    const instance = newInstance();
    const sub = `auth0:t:${crypto.randomUUID()}`;
    const theirs = await enterRecorded(instance, { sub });
    const other = await enter(instance);
    expect(await control(revoke(refresh(`principal:${sub}`)))).toEqual(receipt({ closed: 1, objects: 1 }));
    expect(await theirs.closed()).toEqual({ code: 3000, reason: 'rights_changed' });
    expect(await other.call('whoami')).toMatchObject({ success: true });
    await expectEvents(instance, [
      ...Array(2).fill(['ticket.used', 'session.opened']).flat(),
      'session.closed',
    ]);
    expect(await control(revoke(refresh('agent:counter')))).toEqual(receipt({ closed: 1, objects: 1 }));
    expect(await other.closed()).toEqual({ code: 3000, reason: 'rights_changed' });
  });
});

/** Ports under which nothing is there and nobody is asked. */
const PORTS: ControlPorts = {
  registry: AGENTS,
  config: gateConfig,
  findKey: async () => ({ ok: true, value: { alg: signer.alg, key: signer.publicKey } }),
  record: {
    sessions: { listOpen: async () => [] },
    revocations: { liveObjects: async () => [], countLiveObjects: async () => 0 },
    deliver: async () => [],
  },
  command: async () => ({ closed: 0 }),
  listSessions: async () => ({ open: [], ended: [] }),
  random: () => 0,
  randomId: () => crypto.randomUUID(),
  clock: () => Date.now(),
  log: () => {},
};

const requestOf = async (cmd: object) =>
  new Request('http://127.0.0.1:8788/control', {
    method: 'POST',
    headers: { authorization: `Bearer ${await makeCommand(cmd)}` },
  });

describe('a fan-out', () => {
  /** Sessions in the record alone, one in each of so many instances, older than any command. */
  async function recorded(instances: number) {
    const sub = `auth0:t:${crypto.randomUUID()}`;
    await env.RECORD.batch(
      Array.from({ length: instances }, (_, n) =>
        env.RECORD.prepare(
          `INSERT INTO agent_sessions (id, user_id, agent_slug, instance_id, audience, role, scope, started_at, jti, kid, rev)
           VALUES (?, ?, 'counter', ?, 'agents.test', 'viewer', 'agent:connect', 1, ?, 'k', 1)`,
        ).bind(crypto.randomUUID(), sub, `${newInstance()}-${n}`, crypto.randomUUID()),
      ),
    );
    return sub;
  }

  test('over a hundred objects leaves the rest pending, and says how many', async () => {
    const sub = await recorded(123);
    const answer = await control(revoke(cutoff(`principal:${sub}`)));
    expect(answer).toEqual({ ...receipt({ objects: 100, pending: 23 }), status: 202 });
  });

  test('over a hundred objects is done when it is repeated', async () => {
    const sub = `auth0:t:${crypto.randomUUID()}`;
    const instances = Array.from({ length: 104 }, newInstance);
    const sockets = await Promise.all(instances.map((instance) => enter(instance, { sub })));
    await eventually(async () => {
      const live = await env.RECORD.prepare(
        'SELECT 1 FROM agent_sessions WHERE user_id = ? AND ended_at IS NULL',
      );
      expect((await live.bind(sub).all()).results).toHaveLength(104);
    });
    const terminate = () => control(revoke(cutoff(`principal:${sub}`)));
    expect(await terminate()).toEqual({
      ...receipt({ closed: 100, objects: 100, pending: 4 }),
      status: 202,
    });
    await eventually(async () => expect(await terminate()).toMatchObject({ status: 200 }));
    for (const socket of sockets) expect(await socket.closed()).toMatchObject({ code: 4003 });
  });

  test('to lift the lock of a principal asks no object: none keeps such a lock', async () => {
    const sub = await recorded(3);
    const lift = lock(`principal:${sub}`, { until: NOW * 1000 });
    expect(await control(revoke(lift))).toEqual(receipt({}));
  });

  test('for a principal asks only objects with sessions of it that are hit', async () => {
    const sub = await recorded(2);
    await recorded(120);
    expect(await control(revoke(refresh(`principal:${sub}`)))).toEqual(receipt({ objects: 2 }));
    expect(await control(revoke(refresh(`principal:${sub}`, { rev: 1 })))).toEqual(receipt({}));
  });

  test('asks others in the place of a hundred objects that do not answer', async () => {
    const objects = Array.from({ length: 150 }, (_, n) => ({ agent: 'counter', instance: `i${100 + n}` }));
    const after = (place: { instance: string } | undefined) =>
      objects.filter(({ instance }) => place === undefined || instance > place.instance);
    const answer = await answerControl(await requestOf(revoke(cutoff('everything:'))), {
      ...PORTS,
      record: {
        ...PORTS.record,
        revocations: {
          liveObjects: async (_audience, _revocation, place, limit) => after(place).slice(0, limit),
          countLiveObjects: async (_audience, _revocation, place) => after(place).length,
        },
      },
      command: async (_, instance) => {
        if (instance < 'i200') throw new Error('overloaded');
        return { closed: 1 };
      },
    });
    expect({ status: answer.status, body: await answer.json() }).toEqual({
      ...receipt({ closed: 50, objects: 50, unreachable: 100 }),
    });
  });

  test('counts objects that do not answer, and asks the others all the same', async () => {
    const asked: string[] = [];
    const answer = await answerControl(await requestOf(revoke(cutoff(`principal:${SUBJECT}`))), {
      ...PORTS,
      record: {
        ...PORTS.record,
        revocations: {
          ...PORTS.record.revocations,
          liveObjects: async (_audience, _revocation, after) =>
            after === undefined ? ['a', 'b', 'c'].map((instance) => ({ agent: 'counter', instance })) : [],
        },
      },
      command: async (_, instance) => {
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

describe('a fault', () => {
  const OUTAGE = new Error('D1_ERROR: Network connection lost.');
  const BUG = new TypeError('PRIVATE words');
  const everything = revoke(cutoff('everything:'));
  const failing = (error: Error) => () => Promise.reject(error);

  test.for<[what: string, status: number, event: string, ports: Partial<ControlPorts>]>([
    ['a bug in the keys', 500, 'bug', { findKey: failing(BUG) }],
    ['an outage of the keys', 503, 'outage', { findKey: failing(OUTAGE) }],
    ...(
      [
        ['a bug in the record', 500, 'bug', BUG],
        ['an outage of the record', 503, 'outage', OUTAGE],
      ] as const
    ).map(([what, status, event, error]): [string, number, string, Partial<ControlPorts>] => [
      what,
      status,
      event,
      {
        record: {
          ...PORTS.record,
          revocations: { ...PORTS.record.revocations, liveObjects: failing(error) },
        },
      },
    ]),
  ])('%s is a logged %d with secure headers', async ([, status, event, ports]) => {
    const log = vi.fn();
    const answer = await answerControl(await requestOf(everything), { ...PORTS, ...ports, log });
    expect(answer.status).toBe(status);
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(log).toHaveBeenCalledWith(expect.objectContaining({ event, path: '/control' }));
    expect(JSON.stringify([log.mock.calls, await answer.json()])).not.toContain('PRIVATE');
  });

  test('of the record database does not keep a command from the instance that it names', async () => {
    const revocations = { liveObjects: failing(OUTAGE), countLiveObjects: failing(OUTAGE) };
    const answer = await answerControl(await requestOf(revoke(lock(nameOf('named')))), {
      ...PORTS,
      record: { ...PORTS.record, revocations },
      command: async () => ({ closed: 2 }),
    });
    expect({ status: answer.status, body: await answer.json() }).toEqual(receipt({ closed: 2, objects: 1 }));
  });

  test('of the object of a claim answers neither opened nor free', async () => {
    const lapse = { op: 'lapse', ...placeOf('named'), revocation: lock('grant:g') };
    const answer = await answerControl(await requestOf(lapse), { ...PORTS, command: failing(OUTAGE) });
    expect({ status: answer.status, body: await answer.json() }).toEqual(receipt({ unreachable: 1 }));
  });
});
