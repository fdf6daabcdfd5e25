import { AUDIT_TYPES } from '@agent-ticket/shared/audit-event.ts';
import { VALUES } from '@agent-ticket/shared/describe-values.ts';
import { beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { OPENAPI } from '../../../src/openapi/generated.ts';
import { ROUTES } from '../../../src/resources/routes.ts';
import { idOf, type OperatorBroker, type Person, ROOT, startOperatorBroker } from './operator-broker.ts';

let broker: OperatorBroker;
beforeAll(async () => {
  broker = await startOperatorBroker();
});

const ErrorBody = z.object({ error: z.object({ message: z.string() }) });
const Page = z.object({ items: z.array(z.unknown()), next_cursor: z.string().nullable() });
const PREFIX = 'the request is not valid: ';

async function refusalOf(method: 'GET' | 'POST' | 'DELETE', path: string, body?: object, who: Person = ROOT) {
  const answer = await broker.call(who, method, path, body);
  const { message } = ErrorBody.parse(await answer.json()).error;
  return [answer.status, message.replace(PREFIX, '')];
}

const AGENT = 'lower-case letters, digits and single hyphens, a letter first, at most 64 characters';
const INSTANCE = '1 to 128 letters, digits, _ and -, and not "sub"';
const PRINCIPAL = 'the id of a principal, <issuer>:<name>, such as oidc:github:repo-7';
const TIME = 'a time with its zone, such as 2026-11-29T14:05:00Z';
const REASON = 'a text of 1 to 500 characters without control characters';
const SESSIONS = '/admin/agents/sessions';

describe('a bad request names the member and the values that it takes:', () => {
  it.each([
    ['GET', `${SESSIONS}?limit=0`, undefined, 'limit', 'a whole number, 1 to 200'],
    ['GET', `${SESSIONS}?limit=1e2`, undefined, 'limit', 'a whole number, 1 to 200'],
    ['GET', `${SESSIONS}?limit=0x10`, undefined, 'limit', 'a whole number, 1 to 200'],
    ['GET', `${SESSIONS}?limit=%201`, undefined, 'limit', 'a whole number, 1 to 200'],
    ['GET', `${SESSIONS}?at=yesterday`, undefined, 'at', TIME],
    ['GET', `${SESSIONS}?active=yes`, undefined, 'active', 'true or false'],
    ['GET', `${SESSIONS}?principal=a`, undefined, 'principal', PRINCIPAL],
    ['GET', `${SESSIONS}?agent=A`, undefined, 'agent', AGENT],
    [
      'GET',
      `${SESSIONS}?ip_address=10.0.0.256`,
      undefined,
      'ip_address',
      'an IPv4 address or an IPv6 address',
    ],
    ['GET', `${SESSIONS}/x`, undefined, 'id', 'a UUID'],
    ['DELETE', '/admin/grants/x', undefined, 'id', 'a UUID'],
    ['DELETE', '/admin/locks/x', undefined, 'id', 'a UUID'],
    ['DELETE', '/api/agents/counter/a.b', undefined, 'instance', INSTANCE],
    [
      'POST',
      '/admin/keys/x/revoke',
      undefined,
      'kid',
      'the thumbprint of a key, 43 letters, digits, _ and -',
    ],
    ['GET', '/admin/agents/audit?type=x', undefined, 'type', `one of ${AUDIT_TYPES.join(', ')}`],
    ['GET', '/admin/agents/audit/export?after=1e2', undefined, 'after', 'a whole number, 0 or more'],
    [
      'POST',
      `${SESSIONS}/terminate`,
      { label: '' },
      'label',
      'a text of 1 to 320 characters without control characters',
    ],
    ['POST', `${SESSIONS}/terminate`, { agent: 'counter', reason: ' ' }, 'reason', REASON],
    ['POST', '/admin/locks', { target: { kind: 'agent', agent: 'A' }, reason: 'x' }, 'target.agent', AGENT],
    [
      'POST',
      '/admin/locks',
      { target: { kind: 'instance', agent: 'chat', instance: '*' }, reason: 'x' },
      'target.instance',
      INSTANCE,
    ],
    ['POST', '/admin/locks', { target: { kind: 'session', id: 'x' }, reason: 'x' }, 'target.id', 'a UUID'],
    ['POST', '/admin/service-tokens', { name: 'x', agents: ['A'] }, 'agents.0', AGENT],
    [
      'POST',
      '/admin/service-tokens',
      { name: 'x', expires_in: 1 },
      'expires_in',
      'a whole number, 60 to 316224000',
    ],
    ['POST', '/admin/service-tokens', { name: 'x', tier: 'gold' }, 'tier', 'one of free, pro, admin'],
    [
      'POST',
      '/tickets/batch',
      { requests: [{ agent: 'chat', expires_in: 1 }] },
      'requests.0.expires_in',
      'a whole number, 5 to 300',
    ],
  ] as const)('%s %s %j', async (method, path, body, field, values) => {
    expect(await refusalOf(method, path, body)).toEqual([400, `${field} (it must be ${values})`]);
  });

  it('a member that is missing', async () => {
    expect(await refusalOf('POST', '/admin/locks', { target: { kind: 'everything' } })).toEqual([
      400,
      `reason (it is missing, and must be ${REASON})`,
    ]);
    expect(await refusalOf('POST', '/admin/locks', { target: { kind: 'agent' }, reason: 'x' })).toEqual([
      400,
      `target.agent (it is missing, and must be ${AGENT})`,
    ]);
  });

  it('the members that there are, for one that is not known', async () => {
    expect(await refusalOf('POST', '/admin/keys/rotate', { resaon: 'x' })).toEqual([
      400,
      'the request is not valid (a member is not known; members are: purpose, activate, alg, reason)',
    ]);
  });
});

describe('the document', () => {
  const nodes: Readonly<Record<string, unknown>>[] = [];
  JSON.parse(OPENAPI, (_name, value) => {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) nodes.push(value);
    return value;
  });

  it('has words for each pattern of a request: nobody reads a pattern', () => {
    const patterned = nodes.filter(({ pattern }) => typeof pattern === 'string');
    const inUnion = nodes.filter((node) => node[VALUES] !== undefined).flatMap(({ anyOf }) => anyOf ?? []);
    expect(patterned.length).toBeGreaterThan(30);
    expect(
      patterned.filter(
        (node) => node[VALUES] === undefined && !JSON.stringify(inUnion).includes(JSON.stringify(node)),
      ),
    ).toEqual([]);
  });

  it('has the form of each parameter of a path, but of the name of a file', () => {
    const bare = ROUTES.filter(({ path, params }) => {
      const names = [...path.matchAll(/:(\w+)/g)].map(([, name]) => name);
      return names.join() !== Object.keys(params?.shape ?? {}).join();
    });
    expect(bare.map(({ path }) => path)).toEqual(['/console/:file']);
  });
});

describe('a cursor', () => {
  const cursorOf = async (path: string) =>
    Page.parse(await (await broker.call(ROOT, 'GET', path)).json()).next_cursor;
  const OTHER = 'cursor (it is of another list or of other filters: ask without it for the first page)';

  it('belongs to its list and its filters, and to any size of a page', async () => {
    for (let n = 0; n < 3; n++) await broker.openSession({ agent: 'counter', instance: 'main' });
    const cursor = await cursorOf(`${SESSIONS}?agent=counter&limit=1`);
    const get = async (query: string) => (await broker.call(ROOT, 'GET', `${query}cursor=${cursor}`)).status;
    expect(await get(`${SESSIONS}?limit=2&agent=counter&`)).toBe(200);
    for (const query of [
      `${SESSIONS}?`,
      `${SESSIONS}?agent=lobby&`,
      `${SESSIONS}?agent=counter&active=true&`,
      '/sessions?',
    ])
      expect(await refusalOf('GET', `${query}cursor=${cursor}`)).toEqual([400, OTHER]);
  });

  it('of one session’s calls is none of another’s', async () => {
    const [one, other] = [await broker.openSession({}), await broker.openSession({})];
    for (const startedAt of [1, 2]) await broker.invoke(one, { method: 'm', startedAt });
    const Shown = z.object({ invocations: Page });
    const { invocations } = Shown.parse(
      await (await broker.call(ROOT, 'GET', `${SESSIONS}/${one}?limit=1`)).json(),
    );
    expect(await refusalOf('GET', `${SESSIONS}/${other}?cursor=${invocations.next_cursor}`)).toEqual([
      400,
      OTHER,
    ]);
  });

  it('holds the longest label of any script', async () => {
    const email = (letter: string) => `${letter.repeat(300)}@people.test`;
    for (const [sub, letter] of [
      ['one', '\u4e00'],
      ['two', '\u4e01'],
    ] as const)
      await broker.call({ sub, email: email(letter), email_verified: true }, 'POST', '/tickets', {
        agent: 'counter',
      });
    const cursor = await cursorOf('/admin/principals?limit=1');
    expect(cursor?.length).toBeGreaterThan(512);
    expect((await broker.call(ROOT, 'GET', `/admin/principals?limit=1&cursor=${cursor}`)).status).toBe(200);
  });
});

describe('a filter by an agent that the registry does not have', () => {
  const ALL = 'agents are: ';
  it.each([SESSIONS, '/admin/grants', '/admin/agents/audit'])(
    'is said where %s has nothing of it',
    async (path) => {
      expect(await refusalOf('GET', `${path}?agent=nope`)).toEqual([
        400,
        expect.stringContaining(`agent (${ALL}`),
      ]);
      expect((await broker.call(ROOT, 'GET', `${path}?agent=lobby`)).status).toBe(200);
    },
  );

  it('shows sessions of an agent that is gone', async () => {
    await broker.openSession({ agent: 'gone' });
    const answer = await broker.call(ROOT, 'GET', `${SESSIONS}?agent=gone`);
    expect(Page.parse(await answer.json()).items).toHaveLength(1);
  });

  it('tells nobody without the right, and a limited credential no other agent', async () => {
    const stranger: Person = { sub: 'stranger' };
    expect(await refusalOf('GET', `${SESSIONS}?agent=nope`, undefined, stranger)).toEqual([
      403,
      expect.any(String),
    ]);
    expect(
      JSON.stringify(await refusalOf('GET', '/admin/grants?agent=nope', undefined, stranger)),
    ).not.toContain(ALL);
  });
});

describe('a label', () => {
  const COMPOSED = 'zo\u00eb@people.test';
  const DECOMPOSED = 'zoe\u0308@people.test';
  const zoe: Person = { sub: 'zoe', email: DECOMPOSED, email_verified: true };

  it.each([COMPOSED, DECOMPOSED, ` ${COMPOSED} `, DECOMPOSED.toUpperCase().replace('E\u0308', 'e\u0308')])(
    'is found as %j in lists and by a termination',
    async (label) => {
      await broker.call(zoe, 'POST', '/tickets', { agent: 'counter' });
      const asked = encodeURIComponent(label);
      const found = await broker.call(ROOT, 'GET', `/admin/principals?label=${asked}`);
      expect(Page.parse(await found.json()).items).toEqual([
        expect.objectContaining({ id: idOf(zoe), label: COMPOSED }),
      ]);
      expect((await broker.call(ROOT, 'POST', `${SESSIONS}/terminate`, { label })).status).toBe(200);
    },
  );
});

it('GET /me says that a lock keeps the caller from using its rights', async () => {
  const locked: Person = { sub: 'locked', permissions: ['sessions:read'] };
  const me = async () =>
    z.object({ locked: z.boolean() }).parse(await (await broker.call(locked, 'GET', '/me')).json());
  expect(await me()).toEqual({ locked: false });
  await broker.call(ROOT, 'POST', '/admin/locks', {
    target: { kind: 'principal', id: idOf(locked) },
    reason: 'x',
  });
  expect(await me()).toEqual({ locked: true });
});
