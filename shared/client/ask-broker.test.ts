import { describe, expect, test, vi } from 'vitest';
import { askBroker } from './ask-broker.ts';
import { Forbidden, SignInRequired, TicketRefused, TicketUnavailable } from './errors.ts';
import { type Credential, settle } from './options.ts';
import { stopTime } from './test-tab.ts';
import { answerWith, BROKER, pass, refusal, SECOND, World } from './test-world.ts';

stopTime();

const SERVICE: Credential = { kind: 'service-token', clientId: 'st:1', clientSecret: 'sécret/+' };
const token = (...texts: (string | undefined)[]): Extract<Credential, { kind: 'access-token' }> => ({
  kind: 'access-token',
  get: vi.fn(async () => texts.shift()),
});

async function ask(world: World, credential: Credential = { kind: 'session' }, more: object = {}) {
  const runsIn = credential.kind === 'service-token' ? 'process' : 'browser';
  const asked = askBroker('websocket', settle(world.options({ credential, runsIn, ...more })), world.ports());
  await pass(60 * SECOND);
  return asked;
}

describe('what it says about who asks', () => {
  const BASIC = `Basic ${btoa('st%3A1:s%C3%A9cret%2F%2B')}`;
  test.for([
    { credential: { kind: 'session' } as const, cookies: 'include', authorization: null },
    { credential: { kind: 'access' } as const, cookies: 'include', authorization: null },
    { credential: { kind: 'none' } as const, cookies: 'omit', authorization: null },
    { credential: token('abc'), cookies: 'omit', authorization: 'Bearer abc' },
    { credential: SERVICE, cookies: undefined, authorization: BASIC },
  ])('$credential.kind', async ({ credential, cookies, authorization }) => {
    const world = new World();
    expect(await ask(world, credential)).toMatchObject({ ticket: 'h.t1.s', expiresIn: 60 });
    const [mint] = world.mints;
    expect(mint?.url).toBe(`${BROKER}/tickets`);
    expect(mint?.init).toMatchObject({ method: 'POST', redirect: 'manual' });
    expect(mint?.init.credentials).toBe(cookies);
    expect(new Headers(mint?.init.headers).get('authorization')).toBe(authorization);
    expect(new Headers(mint?.init.headers).get('content-type')).toBe('application/json');
  });
});

describe('what it asks for', () => {
  test('names what was chosen, and leaves the rest to the broker', async () => {
    const world = new World();
    await ask(world);
    const { instance } = world;
    await ask(world, undefined, { scope: 'agent:message', expiresIn: 20, broker: `${BROKER}/` });
    expect(world.asked()).toEqual([
      { agent: 'counter', instance, transport: 'websocket' },
      { agent: 'counter', instance, transport: 'websocket', scope: 'agent:message', expires_in: 20 },
    ]);
    expect(world.mints[1]?.url).toBe(`${BROKER}/tickets`);
  });
});

describe('what it makes of the answer', () => {
  const opaque = Object.defineProperties(new Response(), {
    status: { value: 0 },
    ok: { value: false },
    type: { value: 'opaqueredirect' },
  });
  test.for([
    { answer: 'a redirect', mood: () => new Response(null, { status: 302 }), kind: SignInRequired },
    { answer: 'a redirect, as browsers show it', mood: () => opaque, kind: SignInRequired },
    { answer: '401', mood: refusal(401, 'UNAUTHORIZED'), kind: SignInRequired },
    { answer: '403', mood: refusal(403, 'FORBIDDEN'), kind: Forbidden },
    { answer: '404', mood: refusal(404, 'NOT_FOUND'), kind: TicketRefused },
    { answer: '413', mood: refusal(413, 'PAYLOAD_TOO_LARGE'), kind: TicketRefused },
    { answer: '200', mood: () => answerWith({}, 200), kind: TicketUnavailable },
    { answer: '201 without a ticket', mood: () => answerWith({}), kind: TicketUnavailable },
    { answer: '408', mood: refusal(408, 'X'), kind: TicketUnavailable },
    { answer: '425', mood: refusal(425, 'X'), kind: TicketUnavailable },
    { answer: '429', mood: refusal(429, 'RATE_LIMITED'), kind: TicketUnavailable },
    { answer: '500', mood: refusal(500, 'INTERNAL'), kind: TicketUnavailable },
    { answer: '503', mood: refusal(503, 'UNAVAILABLE'), kind: TicketUnavailable },
  ])('$answer', async ({ mood, kind }) => {
    const world = new World();
    world.broker = mood;
    const asked = await ask(world);
    expect(asked.constructor).toBe(kind);
    expect(world.mints).toHaveLength(1);
  });

  test('a refusal that is not in the form of the broker', async () => {
    const world = new World();
    world.broker = () => new Response('<html>blocked</html>', { status: 403 });
    expect(await ask(world)).toMatchObject({ name: 'Forbidden', status: 403, code: '403', requestId: null });
  });

  test.for([
    ['7', 7_000],
    ['0', 0],
    [null, 0],
    ['soon', 0],
    ['Wed, 21 Oct 2026 07:28:00 GMT', 0],
  ] as const)('Retry-After: %s', async ([header, retryAfterMs]) => {
    const world = new World();
    world.broker = () => answerWith({}, 503, header === null ? {} : { 'retry-after': header });
    expect(await ask(world)).toMatchObject({ retryAfterMs });
  });

  test('nothing in ten seconds is no answer', async () => {
    const world = new World();
    world.broker = 'hangs';
    let asked: unknown;
    void askBroker('websocket', settle(world.options()), world.ports()).then((answer) => {
      asked = answer;
    });
    await pass(9_900);
    expect(asked).toBeUndefined();
    await pass(200);
    expect(asked).toBeInstanceOf(TicketUnavailable);
  });
});

describe('an access token', () => {
  test('that a wrong clock takes for good is asked for afresh, once', async () => {
    const world = new World();
    world.broker = () => {
      world.broker = 'mints';
      return refusal(401, 'TOKEN_EXPIRED')();
    };
    const credential = token('old', 'new');
    expect(await ask(world, credential)).toHaveProperty('ticket');
    expect(vi.mocked(credential.get).mock.calls).toEqual([[{ fresh: false }], [{ fresh: true }]]);
    expect(new Headers(world.mints[1]?.init.headers).get('authorization')).toBe('Bearer new');
  });

  test('that is refused fresh too', async () => {
    const world = new World();
    world.broker = refusal(401, 'UNAUTHORIZED');
    expect(await ask(world, token('old', 'new', 'newer'))).toMatchObject({
      name: 'SignInRequired',
      signInUrl: undefined,
    });
    expect(world.mints).toHaveLength(2);
  });

  test.for([undefined, ''])('%j: nobody is signed in, and nothing is asked', async (text) => {
    const world = new World();
    expect(await ask(world, token(text))).toBeInstanceOf(SignInRequired);
    expect(world.mints).toHaveLength(0);
  });

  test.for([
    ['login_required', SignInRequired],
    ['interaction_required', SignInRequired],
    ['invalid_grant', SignInRequired],
    ['timeout', TicketUnavailable],
    ['temporarily_unavailable', TicketUnavailable],
    [undefined, TicketUnavailable],
  ] as const)('its source rejects with %s', async ([error, kind]) => {
    const world = new World();
    const cause = Object.assign(new Error('x'), { error });
    const asked = await ask(world, { kind: 'access-token', get: () => Promise.reject(cause) });
    expect(asked.constructor).toBe(kind);
    expect(asked).toHaveProperty('cause', cause);
    expect(world.mints).toHaveLength(0);
  });
});

test('neither credential nor ticket is in what is thrown', async () => {
  const world = new World();
  for (const mood of [refusal(403, 'FORBIDDEN'), refusal(500, 'INTERNAL'), () => answerWith({})]) {
    world.broker = mood;
    const asked = await ask(world, token('s3cr3t'));
    expect(`${JSON.stringify(asked)} ${asked instanceof Error ? asked.stack : ''}`).not.toContain('s3cr3t');
  }
});
