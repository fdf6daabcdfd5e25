import type { ControlStore } from '@agent-ticket/drizzle/control/store.ts';
import { decodeJwt } from 'jose';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { bodyOf } from '../answers.ts';
import { ALICE } from '../auth0.ts';
import type { ServiceToken } from '../service-token.ts';
import { basic, COUNTER, lockAt, NOW, type StartedBroker, startNodeBroker } from '../start-broker.ts';
import { openTokenBroker, type TokenBroker } from './token-broker.ts';

let at: TokenBroker;
/** Holds tickets of its own. */
let holder: ServiceToken;
/** May read and revoke every ticket. */
let operator: ServiceToken;

const PERMISSIONS = ['tickets:read', 'tickets:revoke'];
const authOf = ({ clientId, clientSecret }: ServiceToken) => basic(clientId, clientSecret);

beforeAll(async () => {
  at = await openTokenBroker();
  holder = await at.broker.makeServiceToken({ tier: 'admin' });
  operator = await at.broker.makeServiceToken({ tier: 'admin', permissions: PERMISSIONS });
  await at.broker.grant(`token:${holder.id}`, 'counter', 'admin');
});
afterEach(() => {
  at.broker.clock.now = NOW;
});

const accessTokenIn = async (answer: Response): Promise<string> =>
  z.string().parse((await bodyOf(answer)).access_token);

async function ticketFor(client: ServiceToken = holder, broker = at.broker): Promise<string> {
  const body = { grant_type: 'client_credentials', resource: COUNTER };
  return accessTokenIn(await broker.post('/token', body, authOf(client)));
}

const EXCHANGE = {
  grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
  resource: COUNTER,
  subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
};
async function exchanged(headers: Record<string, string> = {}): Promise<string> {
  const answer = await at.broker.post('/token', { ...EXCHANGE, subject_token: await at.token() }, headers);
  return accessTokenIn(answer);
}

type Path = '/revoke' | '/introspect';
const asked = async (path: Path, token: string, headers: Record<string, string>, more = {}) => {
  const answer = await at.broker.post(path, { token, ...more }, headers);
  return { status: answer.status, text: await answer.text() };
};
const introspected = async (token: string, headers: Record<string, string> = authOf(operator)) =>
  JSON.parse((await asked('/introspect', token, headers)).text);

/** Everything that a revocation stores and sends. */
const stored = async () => ({
  rev: await at.broker.ports.control.revocations.newestRev(),
  waiting: await at.broker.ports.control.outbox.count(),
  events: at.broker.events.length,
  commands: at.broker.commands.length,
});

const REVOKED = { status: 200, text: '' };
const INACTIVE = { status: 200, text: '{"active":false}' };

describe('introspection', () => {
  it('has the claims of an active ticket, and nothing that is a matter of the broker alone', async () => {
    const ticket = await ticketFor();
    const { rev: _rev, grant: _grant, ...claims } = decodeJwt(ticket);
    const answer = await at.broker.post('/introspect', { token: ticket }, authOf(operator));
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(await answer.json()).toEqual({ active: true, token_type: 'Bearer', ...claims });
  });

  it('shows the client and the actors', async () => {
    const client = await at.broker.makeServiceToken();
    const actor = {
      actor_token: await at.token({ sub: 'auth0|bob' }),
      actor_token_type: EXCHANGE.subject_token_type,
    };
    const body = { ...EXCHANGE, ...actor, subject_token: await at.token() };
    const answer = await at.broker.post('/token', body, authOf(client));
    const seen = await introspected(await accessTokenIn(answer));
    expect(seen).toMatchObject({
      sub: ALICE,
      client_id: client.id,
      act: { sub: 'auth0:tenant.test:auth0|bob' },
    });
  });

  it('is active up to the end of the ticket and not from then on', async () => {
    const ticket = await ticketFor();
    at.broker.clock.now = NOW + 59;
    expect(await introspected(ticket)).toMatchObject({ active: true });
    at.broker.clock.now = NOW + 60;
    expect(await introspected(ticket)).toEqual({ active: false });
  });

  it.each([
    ['its agent is locked', 'any', 'agent:counter'],
    ['rights from before were taken from its subject', 'before', 'service-token:'],
  ] as const)('is not active once %s', async (_what, kind, target) => {
    const own = await startNodeBroker();
    const client = await own.makeServiceToken({ permissions: PERMISSIONS });
    await own.grant(`token:${client.id}`, 'counter', 'admin');
    const ticket = await ticketFor(client, own);
    const ask = async () => (await own.post('/introspect', { token: ticket }, authOf(client))).json();
    expect(await ask()).toMatchObject({ active: true });
    await insertRevocation(own, kind, target.endsWith(':') ? target + client.id : target);
    expect(await ask()).toEqual({ active: false });
  });
});

async function insertRevocation(
  { ports: { control } }: StartedBroker,
  kind: 'any' | 'before',
  target: string,
): Promise<void> {
  const eventId = crypto.randomUUID();
  const row = { code: 'rights_changed', reason: 'test', createdBy: 'test', createdAt: NOW * 1000 } as const;
  await control.change({
    event: { eventId, at: NOW * 1000, type: 'login.ended', outcome: 'success' },
    revocations: [{ id: `${kind} ${target}`, target, kind, until: (NOW + 3600) * 1000, ...row }],
    dueAt: Number.MAX_SAFE_INTEGER,
  });
  await control.outbox.done(eventId);
}

describe('revocation', () => {
  it('stores one row, writes one event and commands the instance of the ticket', async () => {
    const ticket = await ticketFor();
    const { jti } = decodeJwt(ticket);
    const before = await stored();
    expect(await asked('/revoke', ticket, authOf(operator))).toEqual(REVOKED);
    expect(await stored()).toEqual({
      rev: before.rev + 1,
      waiting: before.waiting,
      events: before.events + 1,
      commands: before.commands + 1,
    });
    expect(at.broker.events.at(-1)).toMatchObject({
      ...{
        type: 'ticket.revoked',
        principal: `token:${operator.id}`,
        agent: 'counter',
        instance: 'main',
        jti,
      },
    });
    expect(decodeJwt(at.broker.commands.at(-1) ?? '')).toMatchObject({
      aud: 'agents.test/control',
      cmd: {
        op: 'revoke',
        at: { agent: 'counter', instance: 'main' },
        revocation: { target: `ticket:${jti}`, kind: 'any', code: 'session_terminated' },
      },
    });
    expect(await introspected(ticket)).toEqual({ active: false });
  });

  it('of one ticket, however often and however many at once, is one row, one event and one command', async () => {
    const ticket = await ticketFor();
    const before = await stored();
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => asked('/revoke', ticket, authOf(operator))),
    );
    expect(answers).toEqual(answers.map(() => REVOKED));
    expect(await asked('/revoke', ticket, authOf(operator))).toEqual(REVOKED);
    const after = await stored();
    expect([after.rev - before.rev, after.events - before.events]).toEqual([1, 1]);
    expect(after.commands - before.commands).toBe(1);
  });

  it('ignores a hint of the type, known or not, and parameters that it does not know', async () => {
    for (const token_type_hint of ['access_token', 'refresh_token', 'nonsense']) {
      const ticket = await ticketFor();
      expect(await asked('/revoke', ticket, authOf(holder), { token_type_hint, more: 'x' })).toEqual(REVOKED);
      expect(await introspected(ticket)).toEqual({ active: false });
    }
  });

  it.each([
    ['whose session may go on', 61],
    ['in the last second of that session', 3_599],
  ])('of an expired ticket %s is stored', async (_what, later) => {
    const ticket = await ticketFor();
    const { rev } = await stored();
    at.broker.clock.now = NOW + later;
    expect(await asked('/revoke', ticket, authOf(operator))).toEqual(REVOKED);
    expect((await stored()).rev).toBe(rev + 1);
  });

  it('of a ticket after whose rights a key has retired is stored', async () => {
    const own = await startNodeBroker();
    const client = await own.makeServiceToken({
      tier: 'admin',
      permissions: [...PERMISSIONS, 'keys:rotate'],
    });
    await own.grant(`token:${client.id}`, 'counter', 'admin');
    const ticket = await ticketFor(client, own);
    const rotated = await own.app.request('https://broker.test/admin/keys/rotate', {
      method: 'POST',
      headers: { ...authOf(client), 'content-type': 'application/json' },
      body: '{"activate":"now"}',
    });
    expect(rotated.status).toBe(201);
    own.clock.now = NOW + 1_800;
    const keys = await bodyOf(await own.app.request('https://broker.test/.well-known/jwks.json'));
    expect(keys.keys).toHaveLength(1);
    const before = await own.ports.control.revocations.newestRev();
    await own.post('/revoke', { token: ticket }, authOf(client));
    expect(await own.ports.control.revocations.newestRev()).toBe(before + 1);
  });

  it('of a ticket without rights that may be open stores nothing', async () => {
    const ticket = await ticketFor();
    const before = await stored();
    at.broker.clock.now = NOW + 3_605;
    expect(await asked('/revoke', ticket, authOf(operator))).toEqual(REVOKED);
    expect(await stored()).toEqual(before);
  });
});

const callers: [string, () => Promise<[ticket: string, headers: Record<string, string>]>][] = [
  ['its subject, by Basic', async () => [await ticketFor(), authOf(holder)]],
  [
    'its subject, by the bare secret as a bearer token',
    async () => [await ticketFor(), { authorization: `Bearer ${holder.clientSecret}` }],
  ],
  [
    'its subject, by a token of another issuer',
    async () => [await exchanged(), { authorization: `Bearer ${await at.token()}` }],
  ],
  [
    'the client that it was issued to',
    async () => {
      const client = await at.broker.makeServiceToken();
      return [await exchanged(authOf(client)), authOf(client)];
    },
  ],
  [
    'a holder of the permission on its agent',
    async () => {
      const scoped = await at.broker.makeServiceToken({ agents: ['counter'], permissions: PERMISSIONS });
      return [await ticketFor(), authOf(scoped)];
    },
  ],
];

it.each(callers)('%s may read and revoke a ticket', async (_who, make) => {
  const [ticket, headers] = await make();
  expect(await introspected(ticket, headers)).toMatchObject({ active: true });
  expect(await asked('/revoke', ticket, headers)).toEqual(REVOKED);
  expect(await introspected(ticket, headers)).toEqual({ active: false });
});

const swapped = (token: string, claims: object): string => {
  const [header, , signature] = token.split('.');
  return `${header}.${btoa(JSON.stringify({ ...decodeJwt(token), ...claims })).replace(/=+$/, '')}.${signature}`;
};

const others: [string, () => Promise<[token: string, headers: Record<string, string>]>][] = [
  ['no token at all', async () => ['not-a-token', authOf(operator)]],
  [
    'a ticket with another signature',
    async () => [swapped(await ticketFor(), { jti: crypto.randomUUID() }), authOf(operator)],
  ],
  ['a secret of a service token', async () => [operator.clientSecret, authOf(operator)]],
  ['an access token of another issuer', async () => [await at.token(), authOf(operator)]],
  [
    'a ticket of another broker',
    async () => {
      const other = await startNodeBroker();
      const client = await other.makeServiceToken();
      await other.grant(`token:${client.id}`, 'counter', 'admin');
      return [await ticketFor(client, other), authOf(operator)];
    },
  ],
  [
    'the ticket of another subject',
    async () => [await ticketFor(), authOf(await at.broker.makeServiceToken({ tier: 'admin' }))],
  ],
  [
    'a ticket for another agent than those of the permission',
    async () => {
      const scoped = await at.broker.makeServiceToken({ agents: ['lobby'], permissions: PERMISSIONS });
      return [await ticketFor(), authOf(scoped)];
    },
  ],
  [
    'the ticket of another subject, by a person without permissions',
    async () => [await ticketFor(), { authorization: `Bearer ${await at.token()}` }],
  ],
];

describe('alike is answered, and nothing is stored for,', () => {
  it.each(others)('%s', async (_what, make) => {
    const [token, headers] = await make();
    const before = await stored();
    expect(await asked('/introspect', token, headers)).toEqual(INACTIVE);
    expect(await asked('/revoke', token, headers)).toEqual(REVOKED);
    expect(await stored()).toEqual(before);
  });

  it('a command that the ticket key has signed', async () => {
    await asked('/revoke', await ticketFor(), authOf(operator));
    const command = at.broker.commands.at(-1) ?? '';
    const before = await stored();
    expect(await asked('/introspect', command, authOf(operator))).toEqual(INACTIVE);
    expect(await asked('/revoke', command, authOf(operator))).toEqual(REVOKED);
    expect(await stored()).toEqual(before);
  });

  it('either permission by itself: reading is no revoking', async () => {
    const [reader, revoker] = await Promise.all(
      PERMISSIONS.map((permission) => at.broker.makeServiceToken({ permissions: [permission] })),
    );
    const ticket = await ticketFor();
    if (reader === undefined || revoker === undefined) throw new TypeError('two tokens');
    expect(await introspected(ticket, authOf(revoker))).toEqual({ active: false });
    await asked('/revoke', ticket, authOf(reader));
    expect(await introspected(ticket, authOf(reader))).toMatchObject({ active: true });
  });
});

describe.each<Path>(['/revoke', '/introspect'])('%s refuses', (path) => {
  const send = async (body: Record<string, string>, headers: Record<string, string>) => {
    const answer = await at.broker.post(path, body, headers);
    return [answer.status, (await bodyOf(answer)).error];
  };

  it.each<[string, () => Promise<[Record<string, string>, Record<string, string>]>, unknown]>([
    ['a caller without a credential', async () => [{}, {}], [401, 'invalid_client']],
    ['a client id alone', async () => [{ client_id: holder.id }, {}], [401, 'invalid_client']],
    ['a wrong secret', async () => [{}, basic(holder.id, 'wrong')], [401, 'invalid_client']],
    [
      'two credentials',
      async () => [{ client_id: holder.id, client_secret: holder.clientSecret }, authOf(holder)],
      [400, 'invalid_request'],
    ],
    ['a cookie of Access', async () => [{}, { cookie: 'CF_Authorization=x' }], [401, 'invalid_client']],
    ['an assertion of Access', async () => [{}, { 'cf-access-jwt-assertion': 'x' }], [401, 'invalid_client']],
    ['a form without a token', async () => [{ token: '' }, authOf(holder)], [400, 'invalid_request']],
    [
      'a caller whom a lock names',
      async () => {
        const locked = await at.broker.makeServiceToken({ permissions: PERMISSIONS });
        await lockAt(at.broker, `service-token:${locked.id}`);
        return [{}, authOf(locked)];
      },
      [400, 'unauthorized_client'],
    ],
    [
      'a bearer token from before a sign-out',
      async () => {
        const sub = 'auth0|left';
        await signOut('auth0:tenant.test:auth0|left');
        return [{}, { authorization: `Bearer ${await at.token({ sub })}` }];
      },
      [401, 'invalid_client'],
    ],
  ])('%s', async (_what, make, expected) => {
    const [body, headers] = await make();
    expect(await send({ token: await ticketFor(), ...body }, headers)).toEqual(expected);
  });

  it('JSON, since the request is a form', async () => {
    const answer = await at.broker.app.request(`https://broker.test${path}`, {
      method: 'POST',
      headers: { ...authOf(holder), 'content-type': 'application/json' },
      body: JSON.stringify({ token: await ticketFor() }),
    });
    expect([answer.status, (await bodyOf(answer)).error]).toEqual([400, 'invalid_request']);
  });

  it('calls beyond the limit of the tier, valid tickets or not', async () => {
    const poor = await at.broker.makeServiceToken({ tier: 'free' });
    const most = path === '/revoke' ? 15 : 60;
    for (let count = 0; count < most; count += 1)
      expect((await asked(path, 'x', authOf(poor))).status).toBe(200);
    expect((await asked(path, 'x', authOf(poor))).status).toBe(429);
  });
});

async function signOut(id: string): Promise<void> {
  const eventId = crypto.randomUUID();
  const { control } = at.broker.ports;
  await control.change({
    statement: control.principals.signOut({
      id,
      tokensBefore: NOW * 1000,
      loginsBefore: null,
      keptUntil: (NOW + 3600) * 1000,
    }),
    event: { eventId, at: NOW * 1000, type: 'login.ended', outcome: 'success' },
    dueAt: Number.MAX_SAFE_INTEGER,
  });
  await control.outbox.done(eventId);
}

it('a ticket for an agent worker that is not configured any more is unknown', async () => {
  const ticket = await ticketFor();
  const { config } = at.broker.ports;
  const workers = config.workers.map((worker) => ({ ...worker, audience: 'moved.test' }));
  Object.assign(config, { workers });
  try {
    expect(await introspected(ticket)).toEqual({ active: false });
  } finally {
    Object.assign(config, { workers: workers.map((worker) => ({ ...worker, audience: 'agents.test' })) });
  }
});

it.each<[what: string, path: Path, away: (control: ControlStore) => Partial<ControlStore>]>([
  ['a revocation that cannot be stored', '/revoke', () => ({ change: lost })],
  [
    'revocations that cannot be read',
    '/introspect',
    ({ revocations }) => ({ revocations: { ...revocations, hits: lost } }),
  ],
])('%s is a 503 with a time', async (_what, path, away) => {
  const { control } = at.broker.ports;
  const app = at.broker.beside({ control: { ...control, ...away(control) } });
  const body = new URLSearchParams({ token: await ticketFor() });
  const headers = authOf(operator);
  const answer = await app.request(`https://broker.test${path}`, { method: 'POST', headers, body });
  expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '5']);
  expect(await bodyOf(answer)).toMatchObject({ error: 'temporarily_unavailable' });
});

const lost = () => Promise.reject(new Error('D1_ERROR: Network connection lost.'));
