import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type IdentityProvider, startIdentityProvider } from './start.ts';

const PAGE = 'http://127.0.0.1:8788/';
let provider: IdentityProvider;

beforeAll(async () => {
  provider = await startIdentityProvider({ port: 0 });
});

afterAll(() => provider.close());

const at = (what: 'login' | 'logout', next = PAGE): string =>
  `${provider.access.url}/cdn-cgi/access/${what}?redirect_url=${encodeURIComponent(next)}`;
const submit = (form: Record<string, string>): Promise<Response> =>
  fetch(at('login'), { method: 'POST', body: new URLSearchParams(form), redirect: 'manual' });

describe('signing in through Access with a browser', () => {
  it('shows whom there is to be, and their roles', async () => {
    const page = await (await fetch(at('login'))).text();
    expect(page).toContain('alice@example.com, owner by a seeded grant');
    expect(page).toContain('a minute');
  });

  it('leaves an application token in a cookie and goes on', async () => {
    const answer = await submit({ email: 'bob@example.com', expiresIn: '60' });
    expect([answer.status, answer.headers.get('location')]).toEqual([303, PAGE]);
    const [cookie = ''] = answer.headers.getSetCookie();
    expect(cookie).toMatch(/^CF_Authorization=[\w-]+\.[\w-]+\.[\w-]+; Path=\/; HttpOnly; SameSite=Lax$/);
    const me = await fetch(provider.access.identityUrl, { headers: { cookie: cookie.split(';')[0] ?? '' } });
    expect(await me.json()).toMatchObject({ email: 'bob@example.com' });
  });

  it.each([{}, { email: 'bob@example.com' }, { email: 'bob', expiresIn: '60' }])(
    'refuses the form %j',
    async (form) => {
      expect((await submit(form)).status).toBe(400);
    },
  );

  it('signing out drops the cookie and goes on', async () => {
    const answer = await fetch(at('logout'), { redirect: 'manual' });
    expect([answer.status, answer.headers.get('location')]).toEqual([303, PAGE]);
    expect(answer.headers.getSetCookie()[0]).toMatch(/^CF_Authorization=; Max-Age=0;/);
  });

  it.each([
    'https://example.com/',
    '//example.com',
    'http://127.0.0.1.example.com/',
    'javascript:alert(1)',
    '',
  ])('does not lead to %s', async (next) => {
    for (const what of ['login', 'logout'] as const)
      expect((await fetch(at(what, next), { redirect: 'manual' })).status).toBe(400);
  });
});
