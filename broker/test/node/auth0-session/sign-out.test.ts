import { strongestHit } from '@agent-ticket/shared/revocation.ts';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { flushOutbox } from '../../../src/revocation/outbox.ts';
import { ALICE } from '../auth0.ts';
import { rowsOf } from '../folder.ts';
import { NOW } from '../start-broker.ts';
import {
  accessToken,
  CLIENT_ID,
  foreignCookie,
  freezeClock,
  go,
  loginOf,
  logoutToken,
  mint,
  openTenant,
  revocationsOf,
  revocationsSince,
  type TenantSetup,
} from './tenant.ts';

freezeClock();
let at: TenantSetup;
// A sign-out is for all that a person has: each test has a person of its own.
beforeEach(async () => {
  at = await openTenant();
});

const away = new Error('Network connection lost.');
const control = () => at.broker.ports.control;
const record = () => at.broker.ports.record;

/** Why agent workers would refuse a ticket of Alice's that was decided at this number. */
const whyRevoked = async (rev: number) => {
  const ticket = { names: [`principal:${ALICE}`], rev };
  const now = at.broker.clock.now * 1000;
  return strongestHit(ticket, await record().revocations.ofTargets(ticket.names, now), now)?.code;
};

describe('signing out', () => {
  it('ends the session and the sockets, and goes on to the tenant', async () => {
    const { cookie } = await at.signIn();
    const before = at.broker.commands.length;
    const answer = await go(at, '/auth/logout?return_to=https://app.test/bye', { cookie });
    expect(answer.status).toBe(302);
    const url = new URL(answer.headers.get('location') ?? '');
    expect(url.origin + url.pathname).toBe('https://tenant.test/oidc/logout');
    expect(Object.fromEntries(url.searchParams)).toEqual({
      client_id: CLIENT_ID,
      post_logout_redirect_uri: 'https://app.test/bye',
      logout_hint: 'tenant-session-1',
    });
    expect(answer.headers.getSetCookie()).toEqual([
      expect.stringMatching(/^appSession=; Path=\/; Max-Age=0;/),
    ]);
    const revoked = revocationsSince(at, before);
    expect(revoked).toHaveLength(2);
    expect(revoked).toEqual(expect.arrayContaining(await revocationsOf(at, 'tenant-session-1')));
    expect(at.broker.events.at(-1)).toMatchObject({
      type: 'login.ended',
      principal: ALICE,
      details: { by: 'logout' },
    });
    expect((await at.me(cookie)).status).toBe(401);
  });

  it('revokes what was decided for the person before, and nothing that is decided after it', async () => {
    const { cookie } = await at.signIn();
    const before = await control().revocations.newestRev();
    await go(at, '/auth/logout', { cookie });
    const after = await control().revocations.newestRev();
    expect([await whyRevoked(before), await whyRevoked(after)]).toEqual(['rights_changed', undefined]);
    at.broker.clock.now += 3611;
    expect(await whyRevoked(before)).toBeUndefined();
  });

  it('revokes as much where the record database was away, once it is back', async () => {
    const { cookie } = await at.signIn();
    const before = await control().revocations.newestRev();
    vi.spyOn(record(), 'deliverChange').mockRejectedValueOnce(away);
    expect((await go(at, '/auth/logout', { cookie })).status).toBe(302);
    expect((await at.me(cookie)).status).toBe(401);
    const after = await control().revocations.newestRev();
    at.broker.clock.now = NOW + 60;
    await flushOutbox(at.broker.ports);
    expect([await whyRevoked(before), await whyRevoked(after)]).toEqual(['rights_changed', undefined]);
  });

  it('ends bearer tokens from before it, and none that is issued later', async () => {
    const { cookie } = await at.signIn();
    const [old, same] = [await accessToken(at, NOW - 60), await accessToken(at, NOW)];
    expect(await mint(at, old)).toBe(201);
    await go(at, '/auth/logout', { cookie });
    expect([await mint(at, old), await mint(at, same)]).toEqual([401, 401]);
    expect(await mint(at, await accessToken(at, NOW - 60, 'auth0|bea'))).toBe(201);
    at.broker.clock.now = NOW + 5;
    expect(await mint(at, await accessToken(at, NOW + 1))).toBe(201);
    expect(await mint(at, old)).toBe(401);
  });

  it('leaves the person’s other sign-ins alone, wherever they are kept', async () => {
    at.idClaims = { sid: 'left' };
    const left = await at.signIn();
    at.idClaims = { sid: 'ended' };
    const ended = await at.signIn();
    const [leftApp, endedApp] = [
      await foreignCookie('left', NOW - 60),
      await foreignCookie('ended', NOW - 60),
    ];
    await go(at, '/auth/logout', { cookie: ended.cookie });
    expect([await mint(at, { cookie: left.cookie }), await mint(at, { cookie: leftApp })]).toEqual([
      201, 201,
    ]);
    expect([await mint(at, { cookie: ended.cookie }), await mint(at, { cookie: endedApp })]).toEqual([
      401, 401,
    ]);
  });

  /** Two sign-ins and a bearer token; the statuses of their mints after one of the sign-ins ended so. */
  async function afterLogout(query: string): Promise<{ ended: number; left: number; token: number }> {
    at.idClaims = { sid: 'left' };
    const left = await at.signIn();
    at.idClaims = { sid: 'ended' };
    const ended = await at.signIn();
    const token = await accessToken(at, NOW - 60);
    expect((await go(at, `/auth/logout?${query}`, { cookie: ended.cookie })).status).toBe(302);
    return {
      ended: await mint(at, { cookie: ended.cookie }),
      left: await mint(at, { cookie: left.cookie }),
      token: await mint(at, token),
    };
  }

  it.each([
    ['', { ended: 401, left: 201, token: 401 }],
    ['everywhere=true', { ended: 401, left: 401, token: 401 }],
    ['everywhere=false', { ended: 401, left: 201, token: 201 }],
  ])('with the query %j ends %j', async (query, statuses) => {
    expect(await afterLogout(query)).toEqual(statuses);
  });

  it('on this device alone revokes the tickets of its sign-in for good, and no other of the person', async () => {
    const { cookie } = await at.signIn();
    const [before, sent] = [await control().revocations.newestRev(), at.broker.commands.length];
    await go(at, '/auth/logout?everywhere=false', { cookie });
    expect(await whyRevoked(before)).toBeUndefined();
    expect(revocationsSince(at, sent)).toEqual([
      expect.objectContaining({
        target: `login:${await loginOf(at, 'tenant-session-1')}`,
        code: 'session_terminated',
      }),
    ]);
    expect(at.broker.events.at(-1)).toMatchObject({ type: 'login.ended', principal: ALICE });
  });

  it('on this device alone is not possible for a session without a name, which ends with all others', async () => {
    const app = await foreignCookie(undefined, NOW - 1);
    const token = await accessToken(at, NOW - 60);
    await go(at, '/auth/logout?everywhere=false', { cookie: app });
    expect([await mint(at, { cookie: app }), await mint(at, token)]).toEqual([401, 401]);
  });

  it.each(['', 'yes', 'TRUE'])('everywhere=%s is refused, and ends nothing', async (everywhere) => {
    const { cookie } = await at.signIn();
    expect((await go(at, `/auth/logout?everywhere=${everywhere}`, { cookie })).status).toBe(400);
    expect((await at.me(cookie)).status).toBe(200);
  });

  it('of a session without a sid ends that one alone', async () => {
    at.idClaims = { sid: undefined };
    const [ended, left] = [await at.signIn(), await at.signIn()];
    await go(at, '/auth/logout', { cookie: ended.cookie });
    expect([(await at.me(ended.cookie)).status, (await at.me(left.cookie)).status]).toEqual([401, 200]);
  });

  it('of an application’s session without a sid ends every sign-in that began before', async () => {
    at.idClaims = { sid: 'other' };
    const other = await at.signIn();
    const [app, older] = [await foreignCookie(undefined, NOW - 1), await foreignCookie('older', NOW - 60)];
    expect([await mint(at, { cookie: app }), await mint(at, { cookie: older })]).toEqual([201, 201]);
    await go(at, '/auth/logout', { cookie: app });
    for (const cookie of [app, older, other.cookie]) expect(await mint(at, { cookie })).toBe(401);
    at.broker.clock.now = NOW + 2;
    expect(await mint(at, { cookie: await foreignCookie('newer', NOW + 1) })).toBe(201);
    expect((await at.me((await at.signIn()).cookie)).status).toBe(200);
  });

  it('does not close the tenant’s session to a sign-in after it, which the tenant vouches for', async () => {
    const { cookie } = await at.signIn();
    await go(at, '/auth/logout', { cookie });
    const before = at.broker.commands.length;
    const again = await at.signIn();
    expect(await mint(at, { cookie: again.cookie })).toBe(201);
    expect((await at.me(cookie)).status).toBe(401);
    expect(revocationsSince(at, before)).toEqual([
      expect.objectContaining({
        target: `login:${await loginOf(at, 'tenant-session-1')}`,
        until: NOW * 1000,
      }),
    ]);
  });

  it('of which the tenant sends a token while a sign-in comes back ends that sign-in', async () => {
    at.idClaims = { sid: 'racing' };
    const { revocations } = control();
    const { newestRev } = revocations;
    vi.spyOn(revocations, 'newestRev').mockImplementationOnce(async () => {
      const rev = await newestRev();
      await at.broker.post('/auth/backchannel-logout', {
        logout_token: await logoutToken(at, { sid: 'racing' }),
      });
      return rev;
    });
    const { cookie } = await at.signIn();
    expect((await at.me(cookie)).status).toBe(401);
  });

  it('is looked for once on the way to a ticket: where the ticket is decided', async () => {
    const { cookie } = await at.signIn();
    const alone = [vi.spyOn(control().principals, 'find'), vi.spyOn(control().revocations, 'anyOn')];
    const facts = vi.spyOn(control(), 'readMintFacts');
    expect(await mint(at, { cookie })).toBe(201);
    expect([...alone, facts].map(({ mock }) => mock.calls.length)).toEqual([0, 0, 1]);
    await go(at, '/auth/logout', { cookie });
    expect(await mint(at, { cookie })).toBe(401);
  });

  it('meanwhile another request mints, and its ticket is revoked or was never made', async () => {
    const { cookie } = await at.signIn();
    const { readMintFacts } = control();
    // The cookie was good when it was read; the policy is read after the sign-out.
    vi.spyOn(control(), 'readMintFacts').mockImplementationOnce(async (questions) => {
      await go(at, '/auth/logout', { cookie });
      return readMintFacts(questions);
    });
    expect(await mint(at, { cookie })).toBe(401);
  });

  it.each([
    ['a link on another site', { 'sec-fetch-site': 'cross-site', referer: 'https://evil.test/' }, 403],
    [
      'an image without a referrer on another site',
      { 'sec-fetch-site': 'cross-site', 'sec-fetch-dest': 'image' },
      403,
    ],
    ['a browser that says no more than another site', { 'sec-fetch-site': 'cross-site' }, 403],
    ['a link on a listed page', { 'sec-fetch-site': 'cross-site', referer: 'https://app.test/x' }, 302],
    [
      'an image on a sibling host',
      { 'sec-fetch-site': 'same-site', referer: 'https://evil.broker.test/' },
      403,
    ],
    ['an image on a sibling host that hides itself', { 'sec-fetch-site': 'same-site' }, 403],
    ['a link on a listed sibling', { 'sec-fetch-site': 'same-site', referer: 'https://app.test/' }, 302],
    ['a link on its own page', { 'sec-fetch-site': 'same-origin' }, 302],
    ['the address bar', { 'sec-fetch-site': 'none' }, 302],
  ])('by %s', async (_how, headers, status) => {
    expect((await go(at, '/auth/logout', headers)).status).toBe(status);
  });

  it('by a link without a referrer, which may be of any page, asks the person first', async () => {
    const { cookie } = await at.signIn();
    const before = at.broker.commands.length;
    const back = 'https://app.test/bye?x="<b>';
    const headers = { cookie, 'sec-fetch-site': 'cross-site', 'sec-fetch-dest': 'document' };
    const answer = await go(at, `/auth/logout?return_to=${encodeURIComponent(back)}`, headers);
    const page = await answer.text();
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    expect([answer.headers.getSetCookie(), revocationsSince(at, before)]).toEqual([[], []]);
    expect((await at.me(cookie)).status).toBe(200);

    const link = /href="(\?[^"]*)"/.exec(page)?.[1] ?? 'no link';
    expect(page).not.toContain('<b>');
    const out = await go(at, `/auth/logout${link}`, { cookie, 'sec-fetch-site': 'same-origin' });
    expect([out.status, (await at.me(cookie)).status]).toEqual([302, 401]);
  });

  it.each([
    ['of an origin that is not listed', { referer: 'https://evil.test/' }, '/auth/logout', 403],
    ['that leads to another origin', {}, '/auth/logout?return_to=https://evil.test/', 400],
  ])('by a link %s is refused', async (_what, more, path, status) => {
    const headers = { 'sec-fetch-site': 'cross-site', 'sec-fetch-dest': 'document', ...more };
    expect((await go(at, path, headers)).status).toBe(status);
  });

  it('without a session only drops cookies', async () => {
    const before = at.broker.commands.length;
    const answer = await go(at, '/auth/logout', { cookie: 'appSession=broken; appSession.0=x' });
    expect(answer.status).toBe(302);
    expect(answer.headers.getSetCookie()).toHaveLength(2);
    expect(revocationsSince(at, before)).toEqual([]);
  });
});

/** Every write of a sign-out in the control database. */
const WRITES = [
  ['the end of the sign-in', 'UPDATE ON auth_sessions'],
  ['the moment of the sign-out', 'INSERT ON principals'],
  ['the event and the command', 'INSERT ON outbox'],
  ['a revocation', 'INSERT ON revocations'],
] as const;
const TABLES = ['auth_sessions', 'principals', 'outbox', 'revocations', 'used_tokens'];

describe('a sign-out that fails', () => {
  const file = () => `${at.broker.folder}/control.db`;
  const written = () => Promise.all(TABLES.map((table) => rowsOf(file(), `SELECT * FROM ${table}`)));

  it.each([
    ...WRITES.map((write) => [...write, 'logout'] as const),
    ...WRITES.map((write) => [...write, 'back-channel'] as const),
    ['the note that the token was used', 'INSERT ON used_tokens', 'back-channel'] as const,
  ])('at %s (%s) leaves nothing, and is finished when it is sent again: %s', async (_what, write, by) => {
    at.idClaims = { sid: crypto.randomUUID() };
    const { cookie } = await at.signIn();
    const logout_token = await logoutToken(at, { ...at.idClaims, sub: undefined });
    const out = async () =>
      by === 'logout'
        ? (await go(at, '/auth/logout', { cookie })).status
        : (await at.broker.post('/auth/backchannel-logout', { logout_token })).status;
    await rowsOf(file(), `CREATE TRIGGER cut BEFORE ${write} BEGIN SELECT RAISE(ABORT, 'cut off'); END`);
    const [rows, events] = [await written(), at.broker.events.length];
    expect(await out()).toBeGreaterThanOrEqual(500);
    expect(await written()).toEqual(rows);
    expect([at.broker.events.length, at.broker.commands.length]).toEqual([events, 0]);
    expect((await at.me(cookie)).status).toBe(200);

    await rowsOf(file(), 'DROP TRIGGER cut');
    expect(await out()).toBe(by === 'logout' ? 302 : 204);
    expect((await at.me(cookie)).status).toBe(401);
    expect(revocationsSince(at, 0)).toEqual(
      expect.arrayContaining(await revocationsOf(at, String(at.idClaims.sid))),
    );
  });

  it.each(['logout', 'back-channel'])(
    'while the control database is away is a 503, and is finished when it is sent again: %s',
    async (by) => {
      const { cookie } = await at.signIn();
      const logout_token = await logoutToken(at);
      const out = () =>
        by === 'logout'
          ? go(at, '/auth/logout', { cookie })
          : at.broker.post('/auth/backchannel-logout', { logout_token });
      vi.spyOn(control(), 'change').mockRejectedValueOnce(away);
      const answer = await out();
      expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '5']);
      expect((await at.me(cookie)).status).toBe(200);
      expect((await out()).status).toBe(by === 'logout' ? 302 : 204);
      expect((await at.me(cookie)).status).toBe(401);
    },
  );

  it.each(['logout', 'back-channel'])(
    'after its change is finished by the outbox, though nobody sends it again: %s',
    async (by) => {
      at.idClaims = { sid: crypto.randomUUID() };
      const { cookie } = await at.signIn();
      const logout_token = await logoutToken(at, { ...at.idClaims, sub: undefined });
      vi.spyOn(record(), 'deliverChange').mockRejectedValueOnce(away);
      if (by === 'logout') await go(at, '/auth/logout', { cookie });
      else await at.broker.post('/auth/backchannel-logout', { logout_token });
      expect(revocationsSince(at, 0)).toEqual([]);
      expect((await at.me(cookie)).status).toBe(401);
      at.broker.clock.now = NOW + 60;
      await flushOutbox(at.broker.ports);
      expect(revocationsSince(at, 0)).toEqual(
        expect.arrayContaining(await revocationsOf(at, String(at.idClaims.sid))),
      );
      expect(at.broker.events.at(-1)).toMatchObject({ type: 'login.ended', details: { by } });
    },
  );
});
