import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RelyingParty, startRelyingParty, TenantBrowser } from './relying-party.ts';

const ISSUER = 'https://dev-tenant.auth.test/';
const AUDIENCE = 'https://broker.test/api';

let broker: RelyingParty;
let tenant: string;
let clientId: string;

beforeAll(async () => {
  broker = await startRelyingParty();
  tenant = broker.provider.url;
  clientId = broker.provider.auth0.clientId;
});

afterAll(() => broker.close());

const newBrowser = () => new TenantBrowser(broker.provider);

describe('the authorization code flow', () => {
  it.each([
    ['by the name of the tenant, behind a proxy', () => ISSUER],
    ['by its loopback address', () => tenant],
  ])('signs in %s, with an ID token and an API token', async (_name, base) => {
    const start = broker.authorizeUrl(base(), { login_hint: 'alice@example.com' });
    const { url } = await newBrowser().follow(start);
    expect(`${url.origin}${url.pathname}`).toBe(`${broker.baseUrl}/auth/callback`);
    expect(Object.fromEntries(url.searchParams)).toMatchObject({ state: 'st-1', iss: ISSUER });

    const answer = await broker.redeemCode(url);
    expect(answer).toMatchObject({
      token_type: 'Bearer',
      expires_in: 3600,
      refresh_token: expect.any(String),
    });
    expect(await broker.verify(answer.id_token, clientId)).toMatchObject({
      sub: 'auth0|alice',
      nonce: 'no-1',
      name: 'Alice',
      email: 'alice@example.com',
      email_verified: true,
      sid: expect.any(String),
    });
    expect(await broker.verify(answer.access_token, AUDIENCE)).toMatchObject({
      sub: 'auth0|alice',
      aud: [AUDIENCE, `${ISSUER}userinfo`],
      azp: clientId,
      scope: 'openid profile email',
      permissions: ['read:agents'],
    });
  });

  it('gives an opaque token when no audience is named, and userinfo takes it', async () => {
    const start = broker.authorizeUrl(tenant, { login_hint: 'auth0|mallory' });
    start.searchParams.delete('audience');
    const { access_token } = await broker.redeemCode((await newBrowser().follow(start)).url);
    expect(access_token.split('.')).toHaveLength(1);
    const headers = { authorization: `Bearer ${access_token}` };
    expect(await (await fetch(`${tenant}/userinfo`, { headers })).json()).toMatchObject({
      sub: 'auth0|mallory',
      email_verified: false,
    });
  });

  it('survives a rotation between its steps, and a refresh keeps the API and the scopes', async () => {
    const browser = newBrowser();
    const page = await browser.follow(broker.authorizeUrl(tenant));
    await broker.provider.auth0.rotate();
    const { url } = await browser.follow(page.url, { account: 'auth0|bob' });
    await broker.provider.auth0.rotate();
    const { refresh_token = '' } = await broker.redeemCode(url);
    const { access_token } = await broker.redeem({ grant_type: 'refresh_token', refresh_token });
    expect(await broker.verify(access_token, AUDIENCE)).toMatchObject({
      sub: 'auth0|bob',
      scope: 'openid profile email',
    });
  });

  it('shows the sign-in page once in one browser, and again on request', async () => {
    const browser = newBrowser();
    await browser.follow(broker.authorizeUrl(tenant, { login_hint: 'zed' }));
    const again = await browser.follow(broker.authorizeUrl(tenant, { prompt: 'none' }));
    const { id_token } = await broker.redeemCode(again.url);
    expect((await broker.verify(id_token, clientId)).sub).toBe('auth0|zed');
    const forced = await browser.follow(broker.authorizeUrl(tenant, { prompt: 'login' }));
    expect(forced.page?.status).toBe(200);
  });

  it('goes through a consent prompt by itself', async () => {
    const more = { prompt: 'login consent', login_hint: 'dev', scope: 'openid offline_access' };
    const { url } = await newBrowser().follow(broker.authorizeUrl(tenant, more));
    expect((await broker.redeemCode(url)).scope).toBe('openid offline_access');
  });

  it('without a session and with prompt=none requires a login', async () => {
    const { url } = await newBrowser().follow(broker.authorizeUrl(tenant, { prompt: 'none' }));
    expect(url.searchParams.get('error')).toBe('login_required');
  });
});

describe('signing out', () => {
  it('notifies the broker by the back channel, ends the session and returns to the broker', async () => {
    const browser = newBrowser();
    const { url } = await browser.follow(broker.authorizeUrl(tenant, { login_hint: 'alice' }));
    const { id_token } = await broker.redeemCode(url);
    const { sid } = await broker.verify(id_token, clientId);

    const end = new URL('/oidc/logout', tenant);
    end.search = new URLSearchParams({
      id_token_hint: id_token,
      post_logout_redirect_uri: broker.baseUrl,
    }).toString();
    const form = await (await browser.request(end)).text();
    expect(form).toContain('name="logout" value="yes"');
    const xsrf = /name="xsrf" value="([^"]+)"/.exec(form)?.[1] ?? '';
    const confirm = /action="([^"]+)"/.exec(form)?.[1] ?? '';
    expect((await browser.follow(confirm, { xsrf, logout: 'yes' })).url.href).toBe(`${broker.baseUrl}/`);

    expect(broker.notices.map(({ path }) => path)).toEqual(['/auth/backchannel-logout']);
    const logoutToken = new URLSearchParams(broker.notices[0]?.body).get('logout_token') ?? '';
    expect(await broker.verify(logoutToken, clientId)).toMatchObject({
      sub: 'auth0|alice',
      sid,
      events: { 'http://schemas.openid.net/event/backchannel-logout': {} },
    });
    const after = await browser.follow(broker.authorizeUrl(tenant, { prompt: 'none' }));
    expect(after.url.searchParams.get('error')).toBe('login_required');
  });
});
