import { DELIVERIES } from '@agent-ticket/shared/handshake.ts';
import { describe, expect, test, vi } from 'vitest';
import { gate, gateWith } from './gate.ts';
import { objectIds, ownSessions, witness } from './objects.ts';
import { ask, carry, connect, refusedSocket, Socket, upgrade } from './sockets.ts';
import { makeTicket, NOW, newInstance, rights, SUBJECT } from './tickets.ts';

/** A ticket opens one session, and leaves nothing of itself with the agent. */

const witnessTicket = (instance: string, other: object = {}) =>
  makeTicket({
    instance,
    agent: 'witness',
    scope: 'agent:connect agent:state:read agent:message agent:rpc:*',
    ...other,
  });

describe('a good ticket', () => {
  test.for(DELIVERIES)('by %s opens a socket: identity, then state', async (delivery) => {
    const instance = newInstance();
    const answer = await upgrade(`/agents/counter/${instance}`, {
      ticket: await makeTicket({ instance }),
      delivery,
    });
    expect(answer.status).toBe(101);
    expect(answer.headers.get('sec-websocket-protocol')).toBe(
      delivery === 'subprotocol' ? 'agent-ticket.v1' : null,
    );
    expect(answer.headers.get('x-request-id')).toBeTruthy();
    const socket = new Socket(answer);
    await socket.frame('cf_agent_state');
    expect(socket.frames.slice(0, 2)).toEqual([
      { type: 'cf_agent_identity', name: instance, agent: 'counter', stateFollows: true },
      { type: 'cf_agent_state', state: { count: 0 } },
    ]);
  });

  test.for(DELIVERIES)('by %s leaves nothing of itself with the agent', async (delivery) => {
    const instance = newInstance();
    const ticket = await witnessTicket(instance);
    const { headers, query } = carry(ticket, delivery);
    const path = `/agents/witness/${instance}/deeper${query === '' ? '?' : `${query}&`}color=blue`;
    const socket = await connect(path, {
      headers: { ...headers, cookie: 'theme=dark', 'user-agent': 'tests' },
      front: gate,
    });
    const seen = await socket.frame('seen');

    const whole = JSON.stringify(seen);
    for (const part of [ticket, ...ticket.split('.')]) expect(whole).not.toContain(part);
    const [session] = await ownSessions(witness(instance));
    const url = `http://127.0.0.1:8788/agents/witness/${instance}/deeper?color=blue&_pk=${session?.id}`;
    expect(seen).toMatchObject({
      url,
      uri: url,
      id: session?.id,
      headers: { 'user-agent': 'tests' },
      props: 'none',
      hibernates: true,
    });
    const names = Object.keys(Object(seen.headers));
    expect(names).not.toContain('cookie');
    expect(names).not.toContain('authorization');
    expect(names).not.toContain('sec-websocket-protocol');
    expect(seen.principal).toEqual({
      principal: SUBJECT,
      role: 'viewer',
      tier: 'free',
      scope: ['agent:connect', 'agent:state:read', 'agent:message', 'agent:rpc:*'],
      session: session?.id,
    });
  });

  test('tags its socket with session and principal, and with nothing that names either in clear', async () => {
    const instance = newInstance();
    const socket = await connect(`/agents/witness/${instance}`, {
      ticket: await witnessTicket(instance),
      front: gate,
    });
    const { tags, id } = await socket.frame('seen');
    expect(tags).toEqual([id, `sid:${id}`, expect.stringMatching(/^p:[0-9a-f]{64}$/)]);
  });

  test('without the read scope opens a socket on which nothing is sent', async () => {
    const instance = newInstance();
    const ticket = await witnessTicket(instance, { scope: 'agent:connect agent:rpc:echo' });
    const socket = await connect(`/agents/witness/${instance}`, { ticket, front: gate });
    await socket.call('echo', 1);
    expect(socket.frames.map(({ type }) => type)).toEqual(['seen', 'rpc']);
  });

  test('with another scheme in Authorization goes by its query, and that header goes nowhere', async () => {
    const instance = newInstance();
    const ticket = await witnessTicket(instance);
    const headers = { authorization: 'Basic dXNlcjpzZWNyZXQ=' };
    const socket = await connect(`/agents/witness/${instance}`, { ticket, headers, front: gate });
    expect(JSON.stringify(await socket.frame('seen'))).not.toContain('dXNlcjpzZWNyZXQ=');
  });
});

describe('a used ticket', () => {
  test.for(DELIVERIES)('is closed 3000 the second time, by %s', async (delivery) => {
    const instance = newInstance();
    const ticket = await makeTicket({ instance });
    await (await connect(`/agents/counter/${instance}`, { ticket })).frame('cf_agent_state');
    const again = await upgrade(`/agents/counter/${instance}`, { ticket, delivery });
    expect(again.headers.get('sec-websocket-protocol')).toBe(
      delivery === 'subprotocol' ? 'agent-ticket.v1' : null,
    );
    expect(await refusedSocket(again)).toEqual({
      status: 101,
      code: 3000,
      reason: 'ticket_used',
      frames: [],
    });
  });

  test('is a 401 to a caller that asks for JSON', async () => {
    const instance = newInstance();
    const ticket = await makeTicket({ instance });
    await connect(`/agents/counter/${instance}`, { ticket });
    const again = await upgrade(`/agents/counter/${instance}`, {
      ticket,
      headers: { accept: 'application/json' },
    });
    expect(again.status).toBe(401);
    expect(await again.json()).toMatchObject({ error: { code: 'UNAUTHORIZED' } });
  });

  test('stays used when its session is over', async () => {
    const instance = newInstance();
    const ticket = await makeTicket({ instance });
    const socket = await connect(`/agents/counter/${instance}`, { ticket });
    await socket.frame('cf_agent_state');
    socket.close();
    await socket.closed();
    const again = await refusedSocket(await upgrade(`/agents/counter/${instance}`, { ticket }));
    expect(again).toMatchObject({ code: 3000, reason: 'ticket_used' });
  });

  test('opens one session under 100 concurrent tries, all deliveries mixed', async () => {
    const instance = newInstance();
    const ticket = await makeTicket({ instance });
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, n) =>
        upgrade(`/agents/counter/${instance}`, { ticket, delivery: DELIVERIES[n % 3] ?? 'query' }),
      ),
    );
    const sockets = answers.map((answer) => new Socket(answer));
    const outcomes = await Promise.all(
      sockets.map((socket) =>
        Promise.race([
          socket.frame('cf_agent_state').then(
            () => 'open',
            () => 'nothing',
          ),
          socket.closed().then(
            ({ code, reason }) => `${code} ${reason}`,
            () => 'nothing',
          ),
        ]),
      ),
    );
    expect(outcomes.filter((outcome) => outcome === 'open')).toHaveLength(1);
    expect(outcomes.filter((outcome) => outcome === '3000 ticket_used')).toHaveLength(99);
    expect(sockets.filter(({ frames }) => frames.length > 0)).toHaveLength(1);
  });

  test('does not open another of the same person: each has its own', async () => {
    const instance = newInstance();
    const tickets = await Promise.all(Array.from({ length: 5 }, () => makeTicket({ instance })));
    const sockets = await Promise.all(
      tickets.map((ticket) => connect(`/agents/counter/${instance}`, { ticket })),
    );
    await Promise.all(sockets.map((socket) => socket.frame('cf_agent_state')));
  });
});

describe('subprotocols of the app beside marker and ticket', () => {
  const offer = (ticket: string) => ({ 'sec-websocket-protocol': `v2, agent-ticket.v1, ${ticket}, v1` });

  test('reach the agent without either, and the first is answered', async () => {
    const instance = newInstance();
    const headers = offer(await witnessTicket(instance));
    const answer = await upgrade(`/agents/witness/${instance}`, { headers, front: gate });
    expect(answer.headers.get('sec-websocket-protocol')).toBe('v2');
    expect(await new Socket(answer).frame('seen')).toMatchObject({
      headers: { 'sec-websocket-protocol': 'v2, v1' },
    });
  });

  test.for([
    ['that was offered is answered', 'v1', 'v1'],
    ['that was not is not', 'v3', 'v2'],
  ] as const)('are chosen by the agent: one %s', async ([, chosen, answered]) => {
    const instance = newInstance();
    const front = gateWith({
      destination: () => ({
        fetch: async () => {
          const { 0: client, 1: server } = new WebSocketPair();
          server.accept();
          const headers = { 'sec-websocket-protocol': chosen };
          return new Response(null, { status: 101, webSocket: client, headers });
        },
      }),
    });
    const headers = offer(await witnessTicket(instance));
    const answer = await upgrade(`/agents/witness/${instance}`, { headers, front });
    expect(answer.headers.get('sec-websocket-protocol')).toBe(answered);
    new Socket(answer).close();
  });

  test('are answered in a refusal too, whose close a browser would not see otherwise', async () => {
    const ticket = await witnessTicket(newInstance());
    const answer = await upgrade(`/agents/witness/${newInstance()}`, { headers: offer(ticket), front: gate });
    expect(answer.headers.get('sec-websocket-protocol')).toBe('v2');
    expect(await refusedSocket(answer)).toMatchObject({ code: 4003 });
  });
});

describe('two tickets on one upgrade', () => {
  const twice: [string, (one: string, two: string) => [string, Record<string, string>]][] = [
    ['query and subprotocol', (one, two) => [`?ticket=${one}`, carry(two, 'subprotocol').headers]],
    ['query and authorization', (one, two) => [`?ticket=${one}`, carry(two, 'authorization').headers]],
    [
      'subprotocol and authorization',
      (one, two) => ['', { ...carry(one, 'subprotocol').headers, ...carry(two, 'authorization').headers }],
    ],
    ['two in the query', (one, two) => [`?ticket=${one}&ticket=${two}`, {}]],
    [
      'two in the subprotocol',
      (one, two) => ['', { 'sec-websocket-protocol': `agent-ticket.v1, ${one}, ${two}` }],
    ],
    ['one, twice', (one) => [`?ticket=${one}`, carry(one, 'authorization').headers]],
    ['a good one beside an empty one', (one) => [`?ticket=&ticket=${one}`, {}]],
    ['a good one beside an escaped name', (one, two) => [`?ticket=${one}&%74icket=${two}`, {}]],
  ];
  test.for(twice)('are refused: %s', async ([, ride]) => {
    const instance = newInstance();
    const before = await objectIds();
    const [query, headers] = ride(await makeTicket({ instance }), await makeTicket({ instance }));
    const refused = await refusedSocket(await upgrade(`/agents/counter/${instance}${query}`, { headers }));
    expect(refused).toMatchObject({ code: 4000, reason: 'bad_request', frames: [] });
    const json = await upgrade(`/agents/counter/${instance}${query}`, {
      headers: { ...headers, accept: 'application/json' },
    });
    expect(json.status).toBe(400);
    expect(await objectIds()).toEqual(before);
  });
});

describe('the object itself', () => {
  test('looks at the clock again', async () => {
    const instance = newInstance();
    const ticket = await witnessTicket(instance);
    // The gate's clock is fixed while the object's advances.
    const front = gateWith({ clock: () => NOW * 1000 });
    vi.setSystemTime((NOW + 65) * 1000);
    const refused = await refusedSocket(await upgrade(`/agents/witness/${instance}`, { ticket, front }));
    expect(refused).toMatchObject({ code: 3000, reason: 'ticket_expired', frames: [] });
    expect((await ask(`/agents/witness/${instance}`, { ticket, front })).status).toBe(401);
    expect(await ownSessions(witness(instance))).toEqual([]);
  });

  test('opens a new session for a new ticket after the first expired, though they share a socket name', async () => {
    const instance = newInstance();
    const socket = await connect(`/agents/counter/${instance}?_pk=mine`, {
      ticket: await makeTicket({ instance }),
    });
    await socket.frame('cf_agent_state');
    const other = await connect(`/agents/counter/${instance}?_pk=mine`, {
      ticket: await makeTicket({ instance, ...rights('counter', 'owner') }),
    });
    expect(await other.call('increment')).toMatchObject({ success: true, result: 1 });
    expect(await socket.call('whoami')).toMatchObject({ result: { role: 'viewer' } });
    expect(await other.call('whoami')).toMatchObject({ result: { role: 'owner' } });
  });
});
