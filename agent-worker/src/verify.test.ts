import { afterEach, describe, expect, it, vi } from 'vitest';
import { defineAgents } from './registry.ts';
import { createTestIssuer, type TestIssuer, TICKET_FAULTS } from './testing.ts';
import {
  burnInThisProcess,
  closeAtEnd,
  createTicketVerifier,
  nodeRequest,
  type TicketVerifier,
} from './verify.ts';

/** A server of another kind than ours admits what the gate admits, and refuses what it refuses. */

const ISSUER = 'https://broker.example';
const AUDIENCE = 'rooms.example';
const NOW = 1_700_000_000_000;
const AGENTS = defineAgents([{ slug: 'rooms', access: 'viewer' }]);

const issuer: TestIssuer = await createTestIssuer({
  issuer: ISSUER,
  audience: AUDIENCE,
  agents: AGENTS,
  clock: () => NOW,
});
const serve = async (url: string) => issuer.fetch(new Request(url));

function verifierWith({
  fetch = serve,
  now = () => NOW,
  ...more
}: Record<string, unknown> & {
  readonly fetch?: (url: string) => Promise<Response>;
  readonly now?: () => number;
} = {}): TicketVerifier {
  return createTicketVerifier({
    issuer: ISSUER,
    audience: AUDIENCE,
    agents: ['rooms'],
    burn: burnInThisProcess(now),
    ports: { fetch, clock: now, sleep: async () => {} },
    ...more,
  });
}

const PLACE = { agent: 'rooms', instance: 'one' };
const upgrade = (ticket: string, path = '/agents/rooms/one', more: readonly string[] = []) => ({
  url: `https://rooms.example${path}`,
  headers: new Headers({ 'sec-websocket-protocol': ['agent-ticket.v1', ticket, ...more].join(', ') }),
});
const withBearer = (ticket: string) => ({
  url: 'https://rooms.example/agents/rooms/one/list',
  headers: new Headers({ authorization: `Bearer ${ticket}` }),
});

describe('a socket', () => {
  it('opens with a ticket for this place, and has its rights', async () => {
    const ticket = await issuer.ticket({ ...PLACE, sub: 'auth0:t.example:auth0|1', role: 'viewer' });
    const admitted = await verifierWith().admitSocket(upgrade(ticket));
    expect(admitted).toMatchObject({
      ok: true,
      protocol: 'agent-ticket.v1',
      session: { principal: 'auth0:t.example:auth0|1', ...PLACE, role: 'viewer', endsAt: NOW + 3_600_000 },
    });
    if (!admitted.ok) return;
    expect(['agent:state:read', 'agent:message'].map(admitted.session.allows)).toEqual([true, false]);
    expect(() => admitted.session.allows('anything')).toThrow(TypeError);
  });

  it.each(TICKET_FAULTS)('is refused with a ticket that is $fault, as by the gate', async (refused) => {
    const ticket = await issuer.faulty(refused.fault, PLACE);
    const burn = vi.fn(async () => true);
    const scope = refused.fault === 'scope_missing' ? 'agent:state:read' : 'agent:connect';
    const answer = await verifierWith({ burn }).admitSocket(upgrade(ticket), scope);
    expect(answer).toMatchObject({ ok: false, refusal: { reason: refused.reason, close: refused.close } });
    expect(answer.protocol).toBe('agent-ticket.v1');
    expect(JSON.stringify(answer)).not.toContain(ticket);
    expect(burn).not.toHaveBeenCalled();
  });

  it('opens once, however many ask at the same time', async () => {
    const verifier = verifierWith();
    const ticket = await issuer.ticket(PLACE);
    const all = await Promise.all(Array.from({ length: 100 }, () => verifier.admitSocket(upgrade(ticket))));
    expect(all.filter(({ ok }) => ok)).toHaveLength(1);
    expect(all.find(({ ok }) => !ok)).toMatchObject({
      refusal: {
        reason: 'ticket_used',
        jti: expect.any(String),
        status: 401,
        close: { code: 3000, reason: 'ticket_used' },
      },
    });
  });

  it("opens again where the server says 'reusable'", async () => {
    const verifier = verifierWith({ burn: 'reusable' });
    const ticket = await issuer.ticket(PLACE);
    for (const _ of [1, 2]) expect((await verifier.admitSocket(upgrade(ticket))).ok).toBe(true);
  });

  it('is not admitted, and not refused either, while the store is away', async () => {
    const burn = () => Promise.reject(new Error('no database'));
    const asked = verifierWith({ burn }).admitSocket(upgrade(await issuer.ticket(PLACE)));
    await expect(asked).rejects.toThrow('no database');
  });

  it.each([
    ['/agents/rooms/two', 'ticket_instance_wrong'],
    ['/agents/other/one', 'agent_unknown'],
    ['/agents/Rooms/one', 'agent_unknown'],
    ['/rooms/one', 'agent_unknown'],
    ['/agents//rooms/one', 'agent_unknown'],
    ['/agents/rooms', 'instance_invalid'],
    ['/agents/rooms/%6fne', 'instance_invalid'],
    ['/agents/rooms/one%2fx', 'instance_invalid'],
  ])('at %s is refused with a ticket for /agents/rooms/one', async (path, reason) => {
    const answer = await verifierWith().admitSocket(upgrade(await issuer.ticket(PLACE), path));
    expect(answer).toMatchObject({ ok: false, refusal: { reason } });
  });

  it('with two deliveries of its ticket is refused', async () => {
    const ticket = await issuer.ticket(PLACE);
    const answer = await verifierWith().admitSocket(upgrade(ticket, `/agents/rooms/one?ticket=${ticket}`));
    expect(answer).toMatchObject({ refusal: { reason: 'ticket_delivered_twice', close: { code: 4000 } } });
  });

  it.each([
    [upgrade('x', '/agents/rooms/one', ['chat.v2']), 'agent-ticket.v1'],
    [{ url: 'https://rooms.example/agents/rooms/one', headers: new Headers() }, undefined],
  ])(
    'is answered with the marker where it was offered, and with no other subprotocol',
    async (request, protocol) => {
      expect((await verifierWith().admitSocket(request)).protocol).toBe(protocol);
    },
  );

  it('is refused once the session that its ticket could open has ended', async () => {
    const ticket = await issuer.ticket({ ...PLACE, session_expiry: NOW / 1000 });
    const answer = await verifierWith().admitSocket(upgrade(ticket));
    expect(answer).toMatchObject({ refusal: { close: { code: 3000, reason: 'session_expired' } } });
  });

  it.each([
    [-6000, 'ticket_not_yet_valid'],
    [-5000, undefined],
    [64_000, undefined],
    [65_000, 'ticket_expired'],
  ])('by a clock that is %i ms from the issue is judged with 5 s of leeway', async (ms, reason) => {
    const answer = await verifierWith({ now: () => NOW + ms }).admitSocket(
      upgrade(await issuer.ticket(PLACE)),
    );
    expect(answer.ok ? undefined : answer.refusal.reason).toBe(reason);
  });

  it('during an outage of the keys comes later, and opens then', async () => {
    let away = true;
    let now = NOW;
    const fetch = async (url: string) => (away ? new Response(null, { status: 503 }) : serve(url));
    const sleep = async (ms: number) => {
      now += ms;
    };
    const verifier = verifierWith({ ports: { fetch, clock: () => now, sleep } });
    const ticket = await issuer.ticket({ ...PLACE, exp: NOW / 1000 + 300 });
    expect(await verifier.admitSocket(upgrade(ticket))).toMatchObject({
      refusal: { reason: 'keys_unavailable', status: 503, retryAfter: 1, close: { code: 1013 } },
    });
    away = false;
    now += 31_000;
    expect((await verifier.admitSocket(upgrade(ticket))).ok).toBe(true);
  });
});

describe('a plain request', () => {
  it('is made with a ticket of either kind, any number of times', async () => {
    const verifier = verifierWith();
    for (const transport of ['http', 'websocket']) {
      const request = withBearer(await issuer.ticket({ ...PLACE, transport }));
      for (const _ of [1, 2])
        expect((await verifier.admitRequest(request, 'agent:state:read')).ok).toBe(true);
    }
  });

  it('needs the scope that the server names, and takes no ticket from an address', async () => {
    const verifier = verifierWith();
    const ticket = await issuer.ticket(PLACE);
    expect(await verifier.admitRequest(withBearer(ticket), 'agent:message')).toMatchObject({
      ok: false,
      refusal: { status: 403, body: { error: { code: 'FORBIDDEN' } } },
    });
    const inAddress = {
      url: `https://rooms.example/agents/rooms/one?ticket=${ticket}`,
      headers: new Headers(),
    };
    expect(await verifier.admitRequest(inAddress, 'agent:state:read')).toMatchObject({
      refusal: { status: 401 },
    });
    await expect(verifier.admitRequest(withBearer(ticket), 'read')).rejects.toThrow('no scope');
  });
});

describe('a server that is not set up soundly does not start', () => {
  it.each([
    ['issuer', 'http://broker.example'],
    ['issuer', 'broker.example'],
    ['audience', ''],
    ['audience', 'rooms.example/control'],
    ['agents', []],
    ['agents', ['Not a slug']],
    ['burn', undefined],
    ['burn', 'none'],
  ])('%s: %j', (name, value) => {
    expect(() => verifierWith({ [name]: value })).toThrow(new RegExp(`^${name}: `));
  });
});

describe('the notes of one process', () => {
  it('refuse a second use for as long as any clock may accept the ticket, and then go', async () => {
    let now = NOW;
    const burn = burnInThisProcess(() => now);
    const exp = NOW / 1000 + 60;
    expect(await burn('a', exp)).toBe(true);
    now = (exp + 59) * 1000;
    expect([await burn('a', exp), await burn('b', exp + 300)]).toEqual([false, true]);
    now = (exp + 60) * 1000;
    expect(await burn('a', exp)).toBe(true);
  });
});

describe('a request of Node', () => {
  it('keeps every header, so that a second ticket is seen', async () => {
    const ticket = await issuer.ticket(PLACE);
    const rawHeaders = ['Authorization', `Bearer ${ticket}`, 'authorization', 'Bearer other'];
    const request = nodeRequest({ url: '/agents/rooms/one', rawHeaders });
    expect(request?.headers.get('authorization')).toBe(`Bearer ${ticket}, Bearer other`);
    expect(request && (await verifierWith().admitSocket(request)).ok).toBe(false);
  });

  it.each(['*', 'http://elsewhere.example/agents/rooms/one', '', undefined])('for %j is none', (url) => {
    expect(nodeRequest({ url, rawHeaders: [] })).toBeUndefined();
  });

  it('for another host in its path stays at its path', () => {
    const request = nodeRequest({ url: '//elsewhere.example/agents/rooms/one', rawHeaders: [] });
    expect(new URL(request?.url ?? '').pathname).toBe('//elsewhere.example/agents/rooms/one');
  });
});

describe('the end of a session', () => {
  afterEach(() => vi.useRealTimers());

  it('is told at its time, once, unless it was stopped', () => {
    vi.useFakeTimers({ now: NOW });
    const ended: string[] = [];
    closeAtEnd({ endsAt: NOW + 1000 }, () => ended.push('first'));
    closeAtEnd({ endsAt: NOW + 1000 }, () => ended.push('stopped'))();
    closeAtEnd({ endsAt: NOW - 1000 }, () => ended.push('over'));
    vi.advanceTimersByTime(999);
    expect(ended).toEqual(['over']);
    vi.advanceTimersByTime(1);
    expect(ended).toEqual(['over', 'first']);
  });
});
