import { beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { makeSecret, makeTokenId } from '../../../src/credentials/secret.ts';
import { ROUTES } from '../../../src/resources/routes.ts';
import { type OperatorBroker, type Person, ROOT, startOperatorBroker } from './operator-broker.ts';

let broker: OperatorBroker;
beforeAll(async () => {
  broker = await startOperatorBroker();
});

const ErrorBody = z.object({ error: z.object({ code: z.string(), message: z.string() }) });

/** Status and text of a refusal; of another answer the status. */
async function said(answer: Response): Promise<string> {
  if (answer.status < 400) return String(answer.status);
  return `${answer.status} ${ErrorBody.parse(await answer.json()).error.message}`;
}

const get = async (path: string) => said(await broker.call(ROOT, 'GET', path));
const bytes = (length: number) => new Uint8Array(length).fill(7);
const UNKNOWN_SECRET = makeSecret(makeTokenId(bytes), bytes);
const INVALID = '400 the request is not valid';

describe('a parameter that a route does not know', () => {
  const strict = ROUTES.filter(({ query }) => !('ignored' in query));

  it.each(strict.map(({ method, path }) => [method, path] as const))(
    'is refused by its name at %s %s',
    async (method, path) => {
      const at = path.replaceAll(/:\w+/g, 'main');
      const answer = await broker.call(ROOT, method, `${at}?pincipal=x`);
      // Sign-in has an error page, and the route is unknown where nobody signs in.
      expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining('pincipal')]);
    },
  );

  // Routes that ignore others read their credential with the form.
  const withCredential = strict.filter(({ auth }) => auth !== 'none');

  it.each(withCredential.map(({ method, path }) => [method, path] as const))(
    'is refused after a credential that is wrong, at %s %s too',
    async (method, path) => {
      const at = path.replaceAll(/:\w+/g, 'main');
      for (const wrong of ['e.y.J', UNKNOWN_SECRET]) {
        const answer = await broker.call({ authorization: `Bearer ${wrong}` }, method, `${at}?pincipal=x`);
        expect(answer.status).toBe(401);
      }
    },
  );

  it('is ignored where a standard or a probe needs that, and nowhere else', () => {
    expect(ROUTES.filter(({ query }) => 'ignored' in query).map(({ path }) => path)).toEqual([
      '/',
      '/console',
      '/console/:file',
      '/token',
      '/revoke',
      '/introspect',
      '/auth/callback',
      '/auth/backchannel-logout',
      '/.well-known/jwks.json',
      '/.well-known/oauth-authorization-server',
      '/.well-known/audit-jwks.json',
      '/.well-known/security.txt',
      '/openapi.json',
      '/healthz',
      '/readyz',
    ]);
  });

  it.each([
    ['/.well-known/jwks.json', '200'],
    ['/healthz', '200'],
  ])('is ignored by %s', async (path, expected) => {
    expect(await get(`${path}?t=1`)).toBe(expected);
  });

  it('is not repeated where it does not look like a name', async () => {
    expect(await get('/admin/locks?eyJhbGciOiJub25lIn0.x.y=1')).toBe(
      `${INVALID} (parameters are: limit, cursor)`,
    );
  });

  it('is refused after the credential and the permission', async () => {
    const nobody: Person = { sub: 'nobody' };
    const path = '/admin/locks?unknown=1';
    expect((await broker.call(undefined, 'GET', path)).status).toBe(401);
    expect((await broker.call(nobody, 'GET', path)).status).toBe(403);
  });
});

describe('a query', () => {
  it.each([
    [
      '/admin/agents/sessions?since=2027-01-15T08:00:00Z',
      'since (parameters are: limit, cursor, agent, instance, principal, label, service_token, active, ip_address, at, from, to)',
    ],
    ['/admin/agents/sessions?principal=a&principal=b', 'principal (the parameter came twice)'],
    ['/admin/agents/sessions?principal=', 'principal (the parameter is empty: leave it out)'],
    ['/admin/agents/sessions?active', 'active (the parameter is empty: leave it out)'],
    ['/admin/agents/sessions?principal=a%00b', 'principal (it holds a control character)'],
    ['/admin/agents/audit?limit=1&limit=2', 'limit (the parameter came twice)'],
    ['/admin/grants?agent=', 'agent (the parameter is empty: leave it out)'],
    ['/admin/keys?purpose=', 'purpose (the parameter is empty: leave it out)'],
    ['/admin/agents/audit/export?after=', 'after (the parameter is empty: leave it out)'],
    ['/auth/logout?return_to=', 'return_to (the parameter is empty: leave it out)'],
  ])('%s is refused by the field', async (path, expected) => {
    expect(await get(path)).toBe(`${INVALID}: ${expected}`);
  });

  it.each([
    '/admin/agents/sessions?limit=1&agent=counter&instance=main&principal=token:a&active=true',
    '/admin/agents/audit?agent=counter&instance=main&principal=token:a&type=ticket.issued&outcome=denied&from=2027-01-15T08:00:00Z&to=2027-01-15T08:00:00%2B01:00',
    '/admin/grants?agent=counter&instance=main&subject=token:a',
    '/admin/keys?purpose=audit',
    '/admin/agents/audit/export?after=0',
    '/sessions?limit=2',
    '/admin/locks?',
  ])('%s is read', async (path) => {
    expect(await get(path)).toBe('200');
  });
});

describe('GET /me?optional=true', () => {
  const me = async (query: string, who?: Parameters<OperatorBroker['call']>[0]) =>
    (await broker.call(who, 'GET', `/me${query}`)).status;

  it('is a 204 for nobody, and the same as ever with a credential', async () => {
    expect([await me('?optional=true'), await me(''), await me('?optional=false')]).toEqual([204, 401, 401]);
    expect(await me('?optional=true', ROOT)).toBe(200);
    expect(await me('?optional=true', { authorization: 'Bearer wrong' })).toBe(401);
  });

  it('is no way around a credential elsewhere', async () => {
    for (const path of ['/sessions', '/admin/locks', '/admin/keys'])
      expect((await broker.call(undefined, 'GET', `${path}?optional=true`)).status).toBe(401);
  });
});

describe('a refusal to an operator says which rule and what to do:', () => {
  const reader: Person = { sub: 'reader', permissions: ['locks:read', 'keys:read', 'service-tokens:write'] };

  it.each([
    ['POST', '/admin/locks', {}, 'not allowed (needs the permission locks:write)'],
    ['POST', '/admin/keys/rotate', {}, 'not allowed (needs the permission keys:rotate)'],
    [
      'POST',
      '/admin/service-tokens',
      { name: 'x', tier: 'pro' },
      'not allowed (the token has a tier, permission, agent or grant that the caller does not have)',
    ],
    [
      'GET',
      '/admin/grants',
      undefined,
      'not allowed (needs the permission grants:read or the ownership of the one instance that is named)',
    ],
    [
      'POST',
      '/explain',
      { agent: 'counter', principal: 'auth0:tenant.test:other' },
      'not allowed (needs the permission explain:any)',
    ],
  ] as const)('%s %s', async (method, path, body, expected) => {
    expect(await said(await broker.call(reader, method, path, body))).toBe(`403 ${expected}`);
  });

  it('a rotation while another one is pending names the key, its time and the way out', async () => {
    const rotate = (body: object) => broker.call(ROOT, 'POST', '/admin/keys/rotate', body);
    const { kid, activates_at: at } = z
      .object({ kid: z.string(), activates_at: z.string() })
      .parse(await (await rotate({})).json());
    for (const body of [{}, { activate: 'now' }])
      expect(await said(await rotate(body))).toBe(
        `409 the resource is in another state (key ${kid} is pending and signs from ${at}; it signs at once when the active key is revoked)`,
      );
  });
});
