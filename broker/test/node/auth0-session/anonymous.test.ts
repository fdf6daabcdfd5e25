import { beforeEach, describe, expect, it } from 'vitest';
import { FAILED_CREDENTIALS_LIMIT } from '../../../src/http/rate.ts';
import { TENANT } from '../auth0.ts';
import { NOW } from '../start-broker.ts';
import { cookiesOf, freezeClock, go, logoutToken, openTenant, type TenantSetup } from './tenant.ts';

/** Effects that anonymous callers can have on a broker with an Auth0 tenant. */

freezeClock();
let at: TenantSetup;
beforeEach(async () => {
  at = await openTenant();
});

const asked = (url: string): number => at.broker.fetched.filter((each) => each === url).length;
const redeemed = (): number => asked(`${TENANT}oauth/token`);
const callback = async (query: string, cookie: string) =>
  (await go(at, `/auth/callback?${query}`, { cookie })).status;
const refuseCodes = (): void => {
  at.tokenAnswer = () => Response.json({ error: 'invalid_grant' }, { status: 400 });
};

describe('a callback', () => {
  it.each<[string, (begun: { state: string; cookie: string }) => [query: string, cookie: string], number]>([
    ['without a cookie', ({ state }) => [`code=junk&state=${state}`, ''], 400],
    ['with an invented cookie', ({ state }) => [`code=junk&state=${state}`, 'login_appSession=x.y.z'], 400],
    [
      'with a changed cookie',
      ({ state, cookie }) => [`code=junk&state=${state}`, `${cookie.slice(0, -12)}AAAA${cookie.slice(-8)}`],
      400,
    ],
    ['without a state', ({ cookie }) => ['code=junk', cookie], 401],
    ['with another state', ({ cookie }) => ['code=junk&state=other', cookie], 401],
    ['with the state twice', ({ state, cookie }) => [`code=junk&state=${state}&state=x`, cookie], 401],
    ['without a code', ({ state, cookie }) => [`state=${state}`, cookie], 401],
    ['that reports an error', ({ state, cookie }) => [`error=access_denied&state=${state}`, cookie], 401],
  ])('%s asks the tenant nothing', async (_what, request, status) => {
    const begun = await at.leave();
    expect(await callback(...request(begun))).toBe(status);
    expect(at.broker.fetched).toEqual([]);
  });

  it('with the cookie of a sign-in that was begun too long ago asks the tenant nothing', async () => {
    const { cookie, state } = await at.leave();
    at.broker.clock.now = NOW + 616;
    expect(await callback(`code=junk&state=${state}`, cookie)).toBe(400);
    expect(at.broker.fetched).toEqual([]);
  });

  it('with the cookie of somebody else’s sign-in asks the tenant nothing', async () => {
    const [mine, theirs] = [await at.leave(), await at.leave()];
    expect(await callback(`code=junk&state=${mine.state}`, theirs.cookie)).toBe(401);
    expect(at.broker.fetched).toEqual([]);
  });

  it('has the tenant asked for no more than 60 junk codes a minute from one address', async () => {
    refuseCodes();
    const { cookie, state } = await at.leave();
    const statuses = await Promise.all(
      Array.from({ length: 70 }, (_, n) => callback(`code=junk-${n}&state=${state}`, cookie)),
    );
    expect(statuses.filter((status) => status === 429)).toHaveLength(10);
    expect(redeemed()).toBe(60);
  });

  it('without a sign-in that was begun is counted for nobody, as any page can have its visitors ask', async () => {
    for (let n = 0; n < 70; n += 1) expect(await callback('code=junk', '')).toBe(400);
    const { cookie, state } = await at.leave();
    const answer = await go(at, `/auth/callback?code=c&state=${state}`, { cookie });
    expect([answer.status, answer.headers.get('x-ratelimit-remaining')]).toEqual([302, '59']);
  });

  it('that was one too many succeeds when it is sent again after the minute', async () => {
    const { cookie, state } = await at.leave();
    for (let n = 0; n < 60; n += 1) await callback('code=junk&state=other', cookie);
    expect(await callback(`code=c&state=${state}`, cookie)).toBe(429);
    at.broker.clock.now = NOW + 60;
    const answer = await go(at, `/auth/callback?code=c&state=${state}`, { cookie });
    expect([answer.status, cookiesOf(answer)]).toEqual([302, expect.stringMatching(/^appSession=/)]);
  });
});

describe('a junk logout token', () => {
  const send = async (token: string) =>
    (await at.broker.post('/auth/backchannel-logout', { logout_token: token })).status;

  it('is a 429 after 30 a minute from one address, and a right one from there is taken', async () => {
    const statuses: number[] = [];
    for (let n = 0; n < FAILED_CREDENTIALS_LIMIT + 2; n += 1) statuses.push(await send('W10.e30.AA'));
    expect(statuses.slice(0, FAILED_CREDENTIALS_LIMIT)).toEqual(Array(FAILED_CREDENTIALS_LIMIT).fill(400));
    expect(statuses.slice(FAILED_CREDENTIALS_LIMIT)).toEqual([429, 429]);
    expect(await send(await logoutToken(at))).toBe(204);
    at.broker.caller.address = '192.0.2.2';
    expect(await send('W10.e30.AA')).toBe(400);
  });

  it('has keys fetched at most once in 30 s, whatever key it names and wherever from', async () => {
    await send(await logoutToken(at));
    const before = asked(`${TENANT}.well-known/jwks.json`);
    for (let n = 0; n < 40; n += 1) {
      at.broker.caller.address = `192.0.2.${n}`;
      await send(await logoutToken(at, {}, { kid: `invented-${n}` }));
    }
    expect(asked(`${TENANT}.well-known/jwks.json`) - before).toBeLessThanOrEqual(
      1 + Math.floor((at.broker.clock.now - NOW) / 30),
    );
  });
});
