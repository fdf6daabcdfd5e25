import { auth } from '@auth0/auth0-hono';
import { Hono } from 'hono';
import { beforeAll, describe, expect, it } from 'vitest';
import { bodyOf } from '../answers.ts';
import { ALICE } from '../auth0.ts';
import { BROKER, NOW } from '../start-broker.ts';
import {
  CLIENT_ID,
  cookiesOf,
  freezeClock,
  go,
  logoutToken,
  openTenant,
  SECRET,
  type TenantSetup,
} from './tenant.ts';

freezeClock();
let at: TenantSetup;
beforeAll(async () => {
  at = await openTenant();
});

/** Signs in at a stock application on the broker's host and answers the cookies that the browser then has. */
async function stockCookies(session: object = {}, cookieName?: string): Promise<string> {
  const app = new Hono();
  app.use(
    auth({
      domain: 'tenant.test',
      clientID: CLIENT_ID,
      clientSecret: 'client secret',
      baseURL: BROKER,
      authRequired: false,
      session: {
        secret: SECRET,
        ...(cookieName === undefined ? {} : { cookie: { name: cookieName } }),
        ...session,
      },
      fetch: async (input: RequestInfo | URL) => {
        const there = at.web[String(input instanceof Request ? input.url : input)];
        if (there === undefined) return new Response(null, { status: 404 });
        return typeof there === 'function' ? there({}) : Response.json(there);
      },
    }),
  );
  const left = await app.request(`${BROKER}/auth/login`);
  // The library sends neither state nor nonce, and takes nothing back that has one.
  at.idClaims = { nonce: undefined };
  return cookiesOf(
    await app.request(`${BROKER}/auth/callback?code=c`, { headers: { cookie: cookiesOf(left) } }),
  );
}

describe('a session of a stock auth0-hono application', () => {
  it('is accepted: the same person, until it ends', async () => {
    const cookies = await stockCookies();
    expect(cookies).toMatch(/appSession\.0=/);
    const answer = await at.me(cookies);
    expect(answer.status).toBe(200);
    expect(await bodyOf(answer)).toMatchObject({
      principal: ALICE,
      method: 'auth0-session',
      email: 'alice@people.test',
    });
    at.broker.clock.now = NOW + 4 * 86_400;
    expect((await at.me(cookies)).status).toBe(401);
    at.broker.clock.now = NOW;
  });

  it('in several parts is put together, in any order, and refused with a part missing', async () => {
    const [first = '', ...rest] = (await stockCookies())
      .split('; ')
      .filter((pair) => pair.startsWith('appSession.'));
    const value = [first, ...rest].map((pair) => pair.slice(pair.indexOf('=') + 1)).join('');
    const third = Math.ceil(value.length / 3);
    const parts = [0, 1, 2].map(
      (index) => `appSession.${index}=${value.slice(index * third, (index + 1) * third)}`,
    );
    expect((await at.me(parts.toReversed().join('; '))).status).toBe(200);
    expect((await at.me(parts.slice(0, 2).join('; '))).status).toBe(401);
    expect((await at.me(parts.slice(1).join('; '))).status).toBe(401);
    expect((await at.me([...parts, parts[0]].join('; '))).status).toBe(401);
  });

  it.each([
    ['with another secret', { secret: 'another secret of at least 32 characters' }],
    ['of another name', {}, 'otherSession'],
  ])('%s is refused', async (_how, session, name?: string) => {
    const cookies = (await stockCookies(session, name)).replaceAll('otherSession', 'appSession');
    expect((await at.me(cookies)).status).toBe(401);
  });

  it('that its application keeps on a server gets an answer that says so', async () => {
    const kept = new Map<string, unknown>();
    const store = {
      get: async (id: string) => kept.get(id),
      set: async (id: string, state: unknown) => {
        kept.set(id, state);
      },
      delete: async (id: string) => {
        kept.delete(id);
      },
      deleteByLogoutToken: async () => {},
    };
    const cookies = await stockCookies({ store });
    expect(cookies).toMatch(/appSession=/);
    const answer = await at.me(cookies);
    expect([answer.status, await bodyOf(answer)]).toMatchObject([
      401,
      { error: { code: 'UNAUTHORIZED', message: expect.stringContaining('kept by another application') } },
    ]);
  });

  it('ends here by back-channel logout, although its cookie goes on', async () => {
    const cookies = await stockCookies();
    expect((await at.me(cookies)).status).toBe(200);
    await at.broker.post('/auth/backchannel-logout', { logout_token: await logoutToken(at) });
    expect((await at.me(cookies)).status).toBe(401);
  });

  it('together with one of ours is refused, and signing in here puts that right', async () => {
    const stock = await stockCookies();
    at.idClaims = {};
    const { cookie } = await at.signIn();
    expect((await at.me(`${stock}; ${cookie}`)).status).toBe(401);
    const left = await go(at, '/auth/login');
    expect(left.status).toBe(302);
  });
});
