import { beforeEach, describe, expect, test, vi } from 'vitest';
import { gateWith } from './gate.ts';
import { objectIds } from './objects.ts';
import { ask, connect, refusedSocket, upgrade } from './sockets.ts';
import { makeTicket, NOW, newInstance, nextSigner, rights, signer, unknownSigner } from './tickets.ts';

/** A ticket that is not good here: the object is not called, and does not come to be. */

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

interface Refusal {
  readonly close: readonly [code: number, reason: string];
  readonly http: readonly [status: number, code: string];
}
const UNAUTHORIZED: Refusal = { close: [4001, 'unauthorized'], http: [401, 'UNAUTHORIZED'] };
const FORBIDDEN: Refusal = { close: [4003, 'forbidden'], http: [403, 'FORBIDDEN'] };
const EXPIRED: Refusal = { close: [3000, 'ticket_expired'], http: [401, 'TOKEN_EXPIRED'] };
const LONG_EXPIRED: Refusal = { close: [4001, 'unauthorized'], http: [401, 'TOKEN_EXPIRED'] };

const EARLY: Refusal = { close: [1013, 'unavailable'], http: [503, 'UNAVAILABLE'] };

const lived = (exp: number) => ({ iat: exp - 60, nbf: exp - 60, exp });

const BAD_TICKETS: [what: string, make: (instance: string) => Promise<string> | string, refusal: Refusal][] =
  [
    ['of another agent', (instance) => makeTicket({ instance, agent: 'lobby' }), FORBIDDEN],
    ['of another instance', (instance) => makeTicket({ instance: `${instance}-other` }), FORBIDDEN],
    [
      'of the instance in other letters',
      (instance) => makeTicket({ instance: instance.toUpperCase() }),
      FORBIDDEN,
    ],
    [
      'without the connect and read scopes',
      (instance) => makeTicket({ instance, scope: 'agent:message' }),
      FORBIDDEN,
    ],
    ['for another audience', (instance) => makeTicket({ instance, aud: 'agents.example' }), UNAUTHORIZED],
    ['for two audiences', (instance) => makeTicket({ instance, aud: ['agents.test', 'x'] }), UNAUTHORIZED],
    ['of another issuer', (instance) => makeTicket({ instance, iss: 'http://127.0.0.1:8789' }), UNAUTHORIZED],
    [
      'of the issuer spelled with a slash',
      (instance) => makeTicket({ instance, iss: 'http://127.0.0.1:8787/' }),
      UNAUTHORIZED,
    ],
    ['that expired just now', (instance) => makeTicket({ instance, ...lived(NOW - 5) }), EXPIRED],
    [
      'that expired a minute ago, less a second',
      (instance) => makeTicket({ instance, ...lived(NOW - 59) }),
      EXPIRED,
    ],
    ['that expired a minute ago', (instance) => makeTicket({ instance, ...lived(NOW - 60) }), LONG_EXPIRED],
    ['that expired yesterday', (instance) => makeTicket({ instance, ...lived(NOW - 86_400) }), LONG_EXPIRED],
    ['that is not valid yet', (instance) => makeTicket({ instance, nbf: NOW + 6 }), EARLY],
    ['issued in the future', (instance) => makeTicket({ instance, iat: NOW + 6, exp: NOW + 66 }), EARLY],
    ['that would live for hours', (instance) => makeTicket({ instance, exp: NOW + 7200 }), UNAUTHORIZED],
    [
      'signed by a key nobody published',
      (instance) => makeTicket({ instance }, { by: unknownSigner }),
      UNAUTHORIZED,
    ],
    [
      "signed by an unknown signer under the broker's key id",
      (instance) => makeTicket({ instance }, { by: unknownSigner, header: { kid: signer.kid } }),
      UNAUTHORIZED,
    ],
    [
      'whose header names another algorithm than its key has',
      (instance) => makeTicket({ instance }, { by: nextSigner, header: { alg: 'ES256' } }),
      UNAUTHORIZED,
    ],
    [
      'without a signature algorithm',
      (instance) => makeTicket({ instance }, { header: { alg: 'none' } }),
      UNAUTHORIZED,
    ],
    [
      'of the type of any JWT',
      (instance) => makeTicket({ instance }, { header: { typ: 'JWT' } }),
      UNAUTHORIZED,
    ],
    [
      'of the type of a command',
      (instance) => makeTicket({ instance }, { header: { typ: 'agent-control+jwt' } }),
      UNAUTHORIZED,
    ],
    [
      'with a key of its own in the header',
      (instance) => makeTicket({ instance }, { header: { jwk: unknownSigner.jwk } }),
      UNAUTHORIZED,
    ],
    [
      'bound to a proof that nobody checks',
      (instance) => makeTicket({ instance, cnf: { jkt: 'x' } }),
      UNAUTHORIZED,
    ],
    [
      'cut off in the signature',
      async (instance) => (await makeTicket({ instance })).slice(0, -4),
      UNAUTHORIZED,
    ],
    ['with its signature padded', async (instance) => `${await makeTicket({ instance })}==`, UNAUTHORIZED],
    ['that is no ticket', () => 'garbage', UNAUTHORIZED],
    ['that is three words', () => 'a.b.c', UNAUTHORIZED],
    ['that is longer than any', () => `${'A'.repeat(3000)}.A.A`, UNAUTHORIZED],
  ];

describe('a ticket', () => {
  let objects: string[];
  beforeEach(async () => {
    objects = await objectIds();
  });

  test.for(BAD_TICKETS)('%s opens no socket, wakes no object', async ([, make, { close }]) => {
    const instance = newInstance();
    const answer = await upgrade(`/agents/counter/${instance}`, { ticket: await make(instance) });
    expect(answer.headers.get('x-request-id')).toMatch(UUID);
    expect(await refusedSocket(answer)).toEqual({
      status: 101,
      code: close[0],
      reason: close[1],
      frames: [],
    });
    expect(await objectIds()).toEqual(objects);
  });

  test.for(BAD_TICKETS)('%s answers no request, wakes no object', async ([, make, { http }]) => {
    const instance = newInstance();
    const answer = await ask(`/agents/counter/${instance}`, { ticket: await make(instance) });
    expect(answer.status).toBe(http[0]);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(answer.headers.get('www-authenticate')).toBe(http[0] === 401 ? 'Bearer realm="agents"' : null);
    const body: { error: Record<string, string> } = await answer.json();
    expect(Object.keys(body)).toEqual(['error']);
    expect(body.error).toEqual({
      code: http[1],
      message: expect.any(String),
      request_id: answer.headers.get('x-request-id'),
    });
    expect(body.error.request_id).toMatch(UUID);
    expect(await objectIds()).toEqual(objects);
  });

  test('that is missing is refused, with the empty one', async () => {
    for (const path of ['', '?ticket=', '?Ticket=x', '?token=x']) {
      const refused = await refusedSocket(await upgrade(`/agents/counter/${newInstance()}${path}`));
      expect(refused).toMatchObject({ code: 4001, reason: 'unauthorized', frames: [] });
    }
    expect(await objectIds()).toEqual(objects);
  });

  test('for plain requests opens no socket', async () => {
    const instance = newInstance();
    const ticket = await makeTicket({ instance, transport: 'http' });
    const refused = await refusedSocket(await upgrade(`/agents/counter/${instance}`, { ticket }));
    expect(refused).toMatchObject({ code: 4003, reason: 'forbidden', frames: [] });
    expect(await objectIds()).toEqual(objects);
  });

  test('in the query of a plain request is dropped unread', async () => {
    const instance = newInstance();
    const ticket = await makeTicket({ instance });
    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']) {
      const answer = await ask(`/agents/counter/${instance}?ticket=${ticket}`, { method });
      expect(answer.status).toBe(401);
      expect(await answer.json()).toMatchObject({ error: { code: 'UNAUTHORIZED' } });
    }
    expect(await objectIds()).toEqual(objects);
  });

  test.for([
    ['GET', 'agent:connect agent:message'],
    ['HEAD', 'agent:connect agent:message'],
    ...['POST', 'PUT', 'PATCH', 'DELETE'].flatMap((method) => [
      [method, 'agent:connect agent:state:read'],
      [method, 'agent:connect agent:state:read agent:state:write agent:rpc:*'],
    ]),
  ])('does not answer a %s with only %s', async ([method = '', scope]) => {
    const instance = newInstance();
    const answer = await ask(`/agents/counter/${instance}`, {
      method,
      ticket: await makeTicket({ instance, scope }),
    });
    expect(answer.status).toBe(403);
    expect(await objectIds()).toEqual(objects);
  });

  test.for([
    ['until five seconds past its end', lived(NOW - 4)],
    ['from five seconds before its start', { iat: NOW + 5, nbf: NOW + 5, exp: NOW + 65 }],
  ] as const)('opens a socket %s: clocks differ', async ([, times]) => {
    const instance = newInstance();
    const ticket = await makeTicket({ instance, ...times });
    await (await connect(`/agents/counter/${instance}`, { ticket })).frame('cf_agent_identity');
  });

  test('of every published key opens a socket, whatever its algorithm', async () => {
    for (const by of [signer, nextSigner]) {
      const instance = newInstance();
      const ticket = await makeTicket({ instance, ...rights('counter', 'viewer') }, { by });
      expect((await ask(`/agents/counter/${instance}`, { ticket })).status).toBe(404); // the agent's own "not implemented"
    }
  });

  test('that a slow clock takes for one of the future is not refused for good, and the log names the seconds', async () => {
    const instance = newInstance();
    const ticket = await makeTicket({ instance });
    const logged: Readonly<Record<string, unknown>>[] = [];
    const front = gateWith({ clock: () => (NOW - 9) * 1000, log: (line) => logged.push(line) });
    const path = `/agents/counter/${instance}`;
    expect(await refusedSocket(await upgrade(path, { ticket, front }))).toMatchObject({
      code: 1013,
      reason: 'unavailable',
    });
    const plain = await ask(path, { ticket, front });
    expect([plain.status, plain.headers.get('retry-after')]).toEqual([503, '4']);
    const line = { reason: 'ticket_not_yet_valid', detail: expect.stringMatching(/^9 s before/) };
    expect(logged).toEqual([expect.objectContaining(line), expect.objectContaining(line)]);
  });

  test('is judged by the clock at the time of the request', async () => {
    const instance = newInstance();
    const ticket = await makeTicket({ instance });
    vi.setSystemTime((NOW + 65) * 1000);
    const refused = await refusedSocket(await upgrade(`/agents/counter/${instance}`, { ticket }));
    expect(refused).toMatchObject({ code: 3000, reason: 'ticket_expired' });
    vi.setSystemTime((NOW + 120) * 1000);
    const later = await refusedSocket(await upgrade(`/agents/counter/${instance}`, { ticket }));
    expect(later).toMatchObject({ code: 4001, reason: 'unauthorized' });
  });
});
