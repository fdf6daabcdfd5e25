import { TICKET_MAX_BYTES } from '@agent-ticket/shared/limits.ts';
import { describe, expect, test, vi } from 'vitest';
import {
  advance,
  BROKER,
  FakeBackend,
  jsonAnswer,
  refusal,
  SECOND,
  ticketBody,
} from '../test/fake-backend.ts';
import { fakeTime } from '../test/stock-client.ts';
import { Forbidden, SignInRequired, TicketRefused, TicketUnavailable } from './errors.ts';
import { type Credential, resolveOptions } from './options.ts';
import { readTicketAnswer, requestTicket } from './request-ticket.ts';

fakeTime();

const SERVICE: Credential = { kind: 'service-token', clientId: 'st:1', clientSecret: 'sécret/+' };
const token = (...texts: (string | undefined)[]): Extract<Credential, { kind: 'access-token' }> => ({
  kind: 'access-token',
  get: vi.fn(async () => texts.shift()),
});

async function ask(backend: FakeBackend, credential: Credential = { kind: 'session' }, more: object = {}) {
  const runsIn = credential.kind === 'service-token' ? 'process' : 'browser';
  const asked = requestTicket(
    'websocket',
    resolveOptions(backend.options({ credential, runsIn, ...more })),
    backend.ports(),
  );
  await advance(60 * SECOND);
  return asked;
}

describe('the credential in the request', () => {
  const BASIC = `Basic ${btoa('st%3A1:s%C3%A9cret%2F%2B')}`;
  test.for([
    { credential: { kind: 'session' } as const, cookies: 'include', authorization: null },
    { credential: { kind: 'access' } as const, cookies: 'include', authorization: null },
    { credential: { kind: 'none' } as const, cookies: 'omit', authorization: null },
    { credential: token('abc'), cookies: 'omit', authorization: 'Bearer abc' },
    { credential: SERVICE, cookies: undefined, authorization: BASIC },
  ])('$credential.kind', async ({ credential, cookies, authorization }) => {
    const backend = new FakeBackend();
    expect(await ask(backend, credential)).toMatchObject({ ticket: 'h.t1.s', expiresIn: 60 });
    const [mint] = backend.mints;
    expect(mint?.url).toBe(`${BROKER}/tickets`);
    expect(mint?.init).toMatchObject({ method: 'POST', redirect: 'manual' });
    expect(mint?.init.credentials).toBe(cookies);
    expect(new Headers(mint?.init.headers).get('authorization')).toBe(authorization);
    expect(new Headers(mint?.init.headers).get('content-type')).toBe('application/json');
  });
});

describe('the body of the request', () => {
  test('has the options that were set, and leaves the rest to the broker', async () => {
    const backend = new FakeBackend();
    await ask(backend);
    const { instance } = backend;
    await ask(backend, undefined, { scope: 'agent:message', expiresIn: 20, broker: `${BROKER}/` });
    expect(backend.requestBodies()).toEqual([
      { agent: 'counter', instance, transport: 'websocket' },
      { agent: 'counter', instance, transport: 'websocket', scope: 'agent:message', expires_in: 20 },
    ]);
    expect(backend.mints[1]?.url).toBe(`${BROKER}/tickets`);
  });
});

describe('the result by the answer', () => {
  const opaque = Object.defineProperties(new Response(), {
    status: { value: 0 },
    ok: { value: false },
    type: { value: 'opaqueredirect' },
  });
  test.for([
    { answer: 'a redirect', behaviour: () => new Response(null, { status: 302 }), kind: SignInRequired },
    { answer: 'a redirect, as browsers show it', behaviour: () => opaque, kind: SignInRequired },
    { answer: '401', behaviour: refusal(401, 'UNAUTHORIZED'), kind: SignInRequired },
    { answer: '403', behaviour: refusal(403, 'FORBIDDEN'), kind: Forbidden },
    { answer: '404', behaviour: refusal(404, 'NOT_FOUND'), kind: TicketRefused },
    { answer: '413', behaviour: refusal(413, 'PAYLOAD_TOO_LARGE'), kind: TicketRefused },
    { answer: '200', behaviour: () => jsonAnswer({}, 200), kind: TicketUnavailable },
    { answer: '201 without a ticket', behaviour: () => jsonAnswer({}), kind: TicketUnavailable },
    { answer: '408', behaviour: refusal(408, 'X'), kind: TicketUnavailable },
    { answer: '425', behaviour: refusal(425, 'X'), kind: TicketUnavailable },
    { answer: '429', behaviour: refusal(429, 'RATE_LIMITED'), kind: TicketUnavailable },
    { answer: '500', behaviour: refusal(500, 'INTERNAL'), kind: TicketUnavailable },
    { answer: '503', behaviour: refusal(503, 'UNAVAILABLE'), kind: TicketUnavailable },
  ])('$answer', async ({ behaviour, kind }) => {
    const backend = new FakeBackend();
    backend.broker = behaviour;
    const asked = await ask(backend);
    expect(asked.constructor).toBe(kind);
    expect(backend.mints).toHaveLength(1);
  });

  test('a refusal that is not in the form of the broker', async () => {
    const backend = new FakeBackend();
    backend.broker = () => new Response('<html>blocked</html>', { status: 403 });
    expect(await ask(backend)).toMatchObject({
      name: 'Forbidden',
      status: 403,
      code: '403',
      requestId: null,
    });
  });

  test.for([
    ['7', 7_000],
    ['0', 0],
    [null, 0],
    ['soon', 0],
    ['Wed, 21 Oct 2026 07:28:00 GMT', 0],
  ] as const)('Retry-After: %s', async ([header, retryAfterMs]) => {
    const backend = new FakeBackend();
    backend.broker = () => jsonAnswer({}, 503, header === null ? {} : { 'retry-after': header });
    expect(await ask(backend)).toMatchObject({ retryAfterMs });
  });

  test('nothing in ten seconds is no answer', async () => {
    const backend = new FakeBackend();
    backend.broker = 'hangs';
    let asked: unknown;
    void requestTicket('websocket', resolveOptions(backend.options()), backend.ports()).then((answer) => {
      asked = answer;
    });
    await advance(9_900);
    expect(asked).toBeUndefined();
    await advance(200);
    expect(asked).toBeInstanceOf(TicketUnavailable);
  });
});

describe('an access token', () => {
  test('that a wrong clock takes for valid is fetched fresh, once', async () => {
    const backend = new FakeBackend();
    backend.broker = () => {
      backend.broker = 'mints';
      return refusal(401, 'TOKEN_EXPIRED')();
    };
    const credential = token('old', 'new');
    expect(await ask(backend, credential)).toHaveProperty('ticket');
    expect(vi.mocked(credential.get).mock.calls).toEqual([[{ fresh: false }], [{ fresh: true }]]);
    expect(new Headers(backend.mints[1]?.init.headers).get('authorization')).toBe('Bearer new');
  });

  test('that is refused fresh too', async () => {
    const backend = new FakeBackend();
    backend.broker = refusal(401, 'UNAUTHORIZED');
    expect(await ask(backend, token('old', 'new', 'newer'))).toMatchObject({
      name: 'SignInRequired',
      signInUrl: undefined,
    });
    expect(backend.mints).toHaveLength(2);
  });

  test.for([undefined, ''])('%j: nobody is signed in, and no request is sent', async (text) => {
    const backend = new FakeBackend();
    expect(await ask(backend, token(text))).toBeInstanceOf(SignInRequired);
    expect(backend.mints).toHaveLength(0);
  });

  test.for([
    ['login_required', SignInRequired],
    ['interaction_required', SignInRequired],
    ['invalid_grant', SignInRequired],
    ['timeout', TicketUnavailable],
    ['temporarily_unavailable', TicketUnavailable],
    [undefined, TicketUnavailable],
  ] as const)('its source rejects with %s', async ([error, kind]) => {
    const backend = new FakeBackend();
    const cause = Object.assign(new Error('x'), { error });
    const asked = await ask(backend, { kind: 'access-token', get: () => Promise.reject(cause) });
    expect(asked.constructor).toBe(kind);
    expect(asked).toHaveProperty('cause', cause);
    expect(backend.mints).toHaveLength(0);
  });
});

test('neither credential nor ticket is in what is thrown', async () => {
  const backend = new FakeBackend();
  for (const behaviour of [refusal(403, 'FORBIDDEN'), refusal(500, 'INTERNAL'), () => jsonAnswer({})]) {
    backend.broker = behaviour;
    const asked = await ask(backend, token('s3cr3t'));
    expect(`${JSON.stringify(asked)} ${asked instanceof Error ? asked.stack : ''}`).not.toContain('s3cr3t');
  }
});

describe('the body of the answer', () => {
  const ANSWER = ticketBody('aa.bb-_.cc', 'main');
  const read = (body: unknown) => readTicketAnswer(JSON.stringify(body), 'counter', 'main');

  test('is read as a ticket, its life and its address', () => {
    expect(read(ANSWER)).toEqual({
      ticket: 'aa.bb-_.cc',
      expiresIn: 60,
      url: 'wss://agents.example.com/agents/counter/main?ticket=aa.bb-_.cc',
    });
  });

  test.for([
    ['a member that a later broker adds', { later: 1 }],
    ['the longest life', { expires_in: 300 }],
    [
      'plain ws, which a broker on loopback names',
      { url: 'ws://127.0.0.1:8788/agents/counter/main?ticket=x' },
    ],
  ] as const)('takes %s', ([, change]) => {
    expect(read({ ...ANSWER, ...change })).toBeDefined();
  });

  test.for([
    ['no ticket', { ticket: undefined }],
    ['a ticket that is no text', { ticket: 1 }],
    ['a ticket of two segments', { ticket: 'a.b' }],
    ['a ticket of four segments', { ticket: 'a.b.c.d' }],
    ['a ticket with an empty segment', { ticket: 'a..c' }],
    ['a ticket with a character that no subprotocol may have', { ticket: 'a.b, x.c' }],
    ['a ticket with a line break', { ticket: 'a.b.c\n' }],
    ['a ticket that is too long', { ticket: `a.b.${'c'.repeat(TICKET_MAX_BYTES - 3)}` }],
    ['no life', { expires_in: undefined }],
    ['a life as text', { expires_in: '60' }],
    ['a broken life', { expires_in: 59.5 }],
    ['a life that is over', { expires_in: 0 }],
    ['a life that lasts too long', { expires_in: 301 }],
    ['no address', { url: undefined }],
    ['an address that is not a WebSocket’s', { url: 'https://agents.example.com/' }],
    ['an address that runs code', { url: 'javascript:alert(1)//wss://a' }],
    ['another agent', { agent: 'lobby' }],
    ['another instance', { instance: 'other' }],
  ] as const)('refuses %s', ([, change]) => {
    expect(read({ ...ANSWER, ...change })).toBeUndefined();
  });

  test.for(['', 'null', '1', '"a.b.c"', '[]', '{', '<html>', '{"__proto__":{"ticket":"a.b.c"}}'])(
    'refuses %s',
    (text) => {
      expect(readTicketAnswer(text, 'counter', 'main')).toBeUndefined();
    },
  );
});
