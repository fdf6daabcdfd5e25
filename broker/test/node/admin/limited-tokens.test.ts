import { beforeAll, describe, expect, it } from 'vitest';
import { PERMISSIONS } from '../../../src/credentials/permissions.ts';
import { ROUTES } from '../../../src/resources/routes.ts';
import { bodyOf } from '../answers.ts';
import { basic } from '../start-broker.ts';
import { idOf, type OperatorBroker, ROOT, startOperatorBroker } from './operator-broker.ts';

/** A service token with every permission, but for the agent `lobby` alone: it is so everywhere. */

let broker: OperatorBroker;
let limited: { readonly authorization: string };
const session: Record<string, string> = {};
const lock: Record<string, string> = {};
const LOBBY = { kind: 'agent', agent: 'lobby' };

async function makeToken(agents: string[] | undefined) {
  const made = await broker.call(ROOT, 'POST', '/admin/service-tokens', {
    name: 'machine',
    tier: 'admin',
    permissions: PERMISSIONS,
    agents,
  });
  const { client_id, client_secret } = await bodyOf(made);
  return basic(String(client_id), String(client_secret));
}

beforeAll(async () => {
  broker = await startOperatorBroker();
  limited = await makeToken(['lobby']);
  for (const agent of ['lobby', 'counter']) {
    session[agent] = await broker.openSession({ agent, instance: 'main' });
    const target = { kind: 'instance', agent, instance: 'locked' };
    const made = await broker.call(ROOT, 'POST', '/admin/locks', { target, reason: 'test' });
    lock[agent] = String((await bodyOf(made)).id);
  }
});

const call = async (method: 'GET' | 'POST' | 'DELETE', path: string, body?: object) =>
  (await broker.call(limited, method, path, body)).status;

describe('what is about all agents', () => {
  const routes = ROUTES.filter(
    ({ permission, allowsScopedToken }) => permission !== undefined && allowsScopedToken !== true,
  );

  it.each(routes)('$method $path is refused', async ({ method, path }) => {
    const at = path.replace(/:(id|kid)/, crypto.randomUUID());
    expect(await call(method, at, method === 'POST' ? {} : undefined)).toBe(403);
  });

  it('is not refused to a token that is limited to nothing', async () => {
    const free = await makeToken(undefined);
    for (const { path } of routes.filter((route) => route.method === 'GET' && !/:/.test(route.path)))
      expect((await broker.call(free, 'GET', path)).status).toBe(200);
  });
});

describe('what names an agent', () => {
  it.each<[string, 'GET' | 'POST' | 'DELETE', (agent: string) => string, object | undefined, number, number]>(
    [
      ['sessions', 'GET', (agent) => `/admin/agents/sessions?agent=${agent}`, undefined, 200, 403],
      ['the audit log', 'GET', (agent) => `/admin/agents/audit?agent=${agent}`, undefined, 200, 403],
      ['grants', 'GET', (agent) => `/admin/grants?agent=${agent}`, undefined, 200, 403],
      ['one session', 'GET', (agent) => `/admin/agents/sessions/${session[agent]}`, undefined, 200, 404],
      [
        'ending a session',
        'DELETE',
        (agent) => `/admin/agents/sessions/${session[agent]}`,
        undefined,
        200,
        404,
      ],
      ['lifting a lock', 'DELETE', (agent) => `/admin/locks/${lock[agent]}`, undefined, 200, 404],
    ],
  )('%s: within its agents, and not beyond', async (_what, method, path, body, within, beyond) => {
    expect(await call(method, path('counter'), body)).toBe(beyond);
    expect(await call(method, path('lobby'), body)).toBe(within);
  });

  it.each(['/admin/agents/sessions', '/admin/agents/audit', '/admin/grants'])(
    '%s asks for an agent, or it would list all',
    async (path) => {
      expect(await call('GET', path)).toBe(403);
    },
  );

  it.each<[object, number]>([
    [LOBBY, 201],
    [{ kind: 'instance', agent: 'lobby', instance: 'main' }, 201],
    [{ kind: 'agent', agent: 'counter' }, 403],
    [{ kind: 'instance', agent: 'counter', instance: 'main' }, 403],
    [{ kind: 'principal', id: idOf({ sub: 'bob' }) }, 403],
    [{ kind: 'session', id: crypto.randomUUID() }, 403],
    [{ kind: 'service-token', id: `svc_${'0'.repeat(22)}` }, 403],
    [{ kind: 'key', kid: 'k'.repeat(43) }, 403],
    [{ kind: 'everything' }, 403],
  ])('a lock on %j answers %i', async (target, status) => {
    expect(await call('POST', '/admin/locks', { target, reason: 'test' })).toBe(status);
  });

  it.each([
    ['lobby', 201],
    ['counter', 403],
  ] as const)('a grant on %s answers %i', async (agent, status) => {
    const body = { subject: idOf({ sub: 'bob' }), agent, instance: 'main', role: 'viewer', reason: 'test' };
    expect(await call('POST', '/admin/grants', body)).toBe(status);
  });

  it('it makes no service token for more than its agents', async () => {
    expect(await call('POST', '/admin/service-tokens', { name: 'wide' })).toBe(403);
    expect(await call('POST', '/admin/service-tokens', { name: 'wide', agents: ['counter'] })).toBe(403);
    expect(await call('POST', '/admin/service-tokens', { name: 'narrow', agents: ['lobby'] })).toBe(201);
  });
});
