import { describe, expect, test } from 'vitest';
import { entryOf, gate, gateConfig, gateWith } from './gate.ts';
import { objectIds } from './objects.ts';
import { ask, connect, HOST, refusedSocket, upgrade, worker } from './sockets.ts';
import { makeTicket, newInstance, ORIGIN } from './tickets.ts';

/** What the gate asks, in which order, and how each refusal looks to each kind of caller. */

const JTI = '6f1c3f0e-2f2b-4c7e-9d53-0c1f6a1d9b43';

/** One request with everything wrong, and what is mended first, second, and so on. */
const STEPS = [
  { wrong: 'the slug', is: '/agents/kounter/sub/x', close: [4004, 'not_found'], http: [404, 'NOT_FOUND'] },
  {
    wrong: 'a sub-agent path',
    is: '/agents/counter/sub/x',
    close: [4004, 'not_found'],
    http: [404, 'NOT_FOUND'],
  },
  { wrong: 'the method', is: 'PROPFIND', close: [4000, 'bad_request'], http: [405, 'METHOD_NOT_ALLOWED'] },
  {
    wrong: 'the instance',
    is: '/agents/counter/%41',
    close: [4000, 'bad_request'],
    http: [400, 'BAD_REQUEST'],
  },
  { wrong: 'plain text', is: 'http://agents.example', close: [4003, 'forbidden'], http: [403, 'FORBIDDEN'] },
  { wrong: 'the origin', is: 'https://evil.test', close: [4003, 'forbidden'], http: [403, 'FORBIDDEN'] },
  { wrong: 'no ticket', is: undefined, close: [4001, 'unauthorized'], http: [401, 'UNAUTHORIZED'] },
] as const;

/** The request of step `n`: everything before it is mended. */
const atStep = (n: number) => {
  const [slug, sub, method, instance, plaintext, origin] = STEPS;
  return {
    path: n <= 0 ? slug.is : n <= 1 ? sub.is : n <= 3 ? instance.is : '/agents/counter/room-1',
    method: n <= 2 ? method.is : 'GET',
    host: n <= 4 ? plaintext.is : HOST,
    headers: { origin: n <= 5 ? origin.is : ORIGIN },
  };
};

describe('the first thing wrong decides', () => {
  test.for(STEPS.map((step, n) => ({ ...step, n })))('on an upgrade: $wrong', async ({ n, close }) => {
    const { path, ...options } = atStep(n);
    const refused = await refusedSocket(await upgrade(path, { ...options, front: gate }));
    expect(refused).toEqual({ status: 101, code: close[0], reason: close[1], frames: [] });
  });

  test.for(STEPS.map((step, n) => ({ ...step, n })))('on a plain request: $wrong', async ({ n, http }) => {
    const { path, ...options } = atStep(n);
    const answer = await ask(path, options);
    expect(answer.status).toBe(http[0]);
    expect(await answer.json()).toMatchObject({ error: { code: http[1] } });
  });

  test.for(STEPS.map((step, n) => ({ ...step, n })))(
    'on an upgrade that asks for JSON: $wrong',
    async ({ n, http }) => {
      const { path, headers, ...options } = atStep(n);
      const answer = await upgrade(path, {
        ...options,
        front: gate,
        headers: { ...headers, accept: 'application/json', 'sec-websocket-protocol': 'agent-ticket.v1' },
      });
      expect(answer.status).toBe(http[0]);
      expect(answer.webSocket).toBeNull();
      expect(answer.headers.get('cache-control')).toBe('no-store');
      expect(await answer.json()).toEqual({
        error: { code: http[1], message: expect.any(String), request_id: answer.headers.get('x-request-id') },
      });
    },
  );

  test('and after the ticket, its scope and how it came', async () => {
    const instance = newInstance();
    const front = gateWith({ registry: [{ ...entryOf('counter'), deliveries: ['authorization'] }] });
    const path = `/agents/counter/${instance}`;
    const poor = await makeTicket({ instance, scope: 'agent:message' });
    const good = await makeTicket({ instance });
    const refusals = [
      [await upgrade(path, { ticket: 'garbage', front }), 4001],
      [await upgrade(path, { ticket: poor, front }), 4003],
      [await upgrade(path, { ticket: good, front }), 4003],
      [await upgrade(path, { ticket: good, front, delivery: 'subprotocol' }), 4003],
    ] as const;
    for (const [answer, code] of refusals) expect(await refusedSocket(answer)).toMatchObject({ code });
    const socket = await connect(path, { ticket: good, front, delivery: 'authorization' });
    await socket.frame('cf_agent_identity');
  });
});

describe('a refusal', () => {
  test('says no word about the request', async () => {
    const answer = await ask('/agents/counter/%3Cscript%3E', { headers: { accept: 'text/html' } });
    expect(await answer.json()).toMatchObject({
      error: { code: 'BAD_REQUEST', message: 'the request is not valid: instance' },
    });
    expect(answer.headers.get('content-type')).toMatch(/^application\/json/);
  });

  test.for(['PROPFIND', 'TRACE', 'MKCOL'])('of %s names the methods there are', async (method) => {
    const answer = await ask('/agents/counter/room-1', { method });
    expect(answer.status).toBe(405);
    expect(answer.headers.get('allow')).toBe('GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS');
  });

  test.for(['HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])(
    'of an upgrade by %s comes before its ticket is looked at',
    async (method) => {
      const ticket = await makeTicket({ instance: 'room-1' });
      const options = { method, ticket, front: gate, delivery: 'authorization' } as const;
      const refused = await refusedSocket(await upgrade('/agents/counter/room-1', options));
      expect(refused).toMatchObject({ code: 4000, reason: 'bad_request', frames: [] });
      const headers = { accept: 'application/json' };
      const answer = await upgrade('/agents/counter/room-1', { ...options, headers });
      expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'GET']);
    },
  );

  test.for([
    ['agent-ticket.v1', 'agent-ticket.v1'],
    ['agent-ticket.v1, garbage', 'agent-ticket.v1'],
    ['other, agent-ticket.v1', 'agent-ticket.v1'],
    ['other', null],
    ['agent-ticket.v10', null],
  ])('of a socket that offers "%s" echoes %s', async ([offer, echo]) => {
    const answer = await upgrade('/agents/counter/room-1', {
      headers: { 'sec-websocket-protocol': offer ?? '' },
    });
    expect(answer.headers.get('sec-websocket-protocol')).toBe(echo);
    expect(await refusedSocket(answer)).toMatchObject({ code: 4001 });
  });

  test.for([
    ['with no slug', '/agents'],
    ['with an empty slug', '/agents/'],
    ['with a slug behind an empty one', '/agents//counter/room-1'],
    ['with the slug in capitals', '/agents/COUNTER/room-1'],
    ['with the slug in escapes', '/agents/%63ounter/room-1'],
    ["with the name of another binding's kind", '/agents/record/room-1'],
    ['with a name of every object', '/agents/__proto__/room-1'],
  ])('%s looks like that of an unknown one', async ([, path]) => {
    const before = await objectIds();
    const [refused, unknown] = [await ask(path ?? ''), await ask('/agents/unknown/room-1')];
    const words = (text: string) => text.replace(/"request_id":"[^"]+"/, '');
    expect(refused.status).toBe(404);
    expect(words(await refused.text())).toBe(words(await unknown.text()));
    expect(await refusedSocket(await upgrade(path ?? ''))).toMatchObject({ code: 4004, reason: 'not_found' });
    expect(await objectIds()).toEqual(before);
  });

  test('of a disabled agent is that of an unknown one', async () => {
    const front = gateWith({ registry: [{ ...entryOf('counter'), enabled: false }] });
    for (const path of ['/agents/counter/room-1', '/agents/unknown/room-1']) {
      expect(await refusedSocket(await upgrade(path, { front }))).toMatchObject({
        code: 4004,
        reason: 'not_found',
      });
    }
  });

  test('outside of /agents has the same shape', async () => {
    for (const path of [
      '/nothing',
      '/AGENTS/counter/room-1',
      '/agentsx/counter/room-1',
      '//agents/counter/room-1',
    ]) {
      const answer = await ask(path);
      expect(answer.status).toBe(404);
      expect(answer.headers.get('x-request-id')).toBeTruthy();
      expect(answer.headers.get('cache-control')).toBe('no-store');
      expect(await answer.json()).toEqual({
        error: { code: 'NOT_FOUND', message: 'not found', request_id: answer.headers.get('x-request-id') },
      });
    }
  });

  test('is logged with its exact reason, its agent and its id, and nothing more of the path', async () => {
    const logged: Readonly<Record<string, unknown>>[] = [];
    const front = gateWith({ log: (event) => logged.push(event) });
    const ticket = await makeTicket({ aud: 'elsewhere', jti: JTI });
    const answer = await upgrade('/agents/counter/room-1?x=1', { ticket, front });
    expect(logged).toEqual([
      {
        event: 'auth_failure',
        method: 'GET',
        path: '/agents/:agent/:instance',
        auth_method: 'ticket',
        ip_address: null,
        jti: JTI,
        reason: 'ticket_audience_wrong',
        detail: undefined,
        request_id: answer.headers.get('x-request-id'),
        trace_id: answer.headers.get('x-request-id')?.replaceAll('-', ''),
        span_id: answer.headers.get('x-request-id')?.replaceAll('-', '').slice(16),
        agent: 'counter',
      },
    ]);
  });
});

describe('plain text', () => {
  test.for([
    ['http://agents.example', 403],
    ['http://10.0.0.5', 403],
    ['http://127.0.0.1.nip.example', 403],
    ['http://localhost.evil.example', 403],
    ['http://127.0.0.1:8788', 401],
    ['http://localhost:8788', 401],
    ['http://[::1]:8788', 401],
    ['https://agents.example', 401],
  ] as const)('at %s answers %d without a ticket', async ([host, status]) => {
    expect((await ask('/agents/counter/room-1', { host })).status).toBe(status);
  });

  test('passes anywhere in development', async () => {
    const front = gateWith({ config: { ...gateConfig, development: true } });
    expect((await ask('/agents/counter/room-1', { host: 'http://agents.example', front })).status).toBe(401);
    expect(
      (await ask('/agents/counter/room-1', { host: 'http://agents.example', front: worker })).status,
    ).toBe(403);
  });
});
