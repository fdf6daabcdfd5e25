import { beforeEach, describe, expect, it } from 'vitest';
import { authSessionQueries } from '../../control/auth-sessions.ts';
import { usedTokenQueries } from '../../control/used-tokens.ts';
import type { OpenDatabases } from './databases.ts';
import { NOW } from './rows.ts';

const ISSUER = 'https://tenant.test/';
const session = (differs: object = {}) => ({
  id: 'a',
  issuer: ISSUER,
  subject: 'alice',
  sid: 'sid-a',
  claims: { email: 'alice@people.test' },
  createdAt: NOW,
  expiresAt: NOW + 1000,
  ...differs,
});

export function describeAuthSessions(open: OpenDatabases): void {
  describe('sign-ins', () => {
    let sessions: ReturnType<typeof authSessionQueries>;
    let used: ReturnType<typeof usedTokenQueries>;
    beforeEach(async () => {
      const { control } = await open();
      sessions = authSessionQueries(control);
      used = usedTokenQueries(control);
    });
    const endedAt = async (id: string) => (await sessions.find(id))?.endedAt;

    it('are found as they were written', async () => {
      await sessions.insert(session());
      expect(await sessions.find('a')).toEqual({ ...session(), endedAt: null });
      expect(await sessions.find('b')).toBeUndefined();
    });

    it('end once', async () => {
      await sessions.insert(session());
      const ends = await Promise.all([1, 2, 3].map((ms) => sessions.end('a', NOW + ms)));
      expect(ends.filter((ended) => ended)).toHaveLength(1);
      expect(await sessions.end('nobody', NOW)).toBe(false);
    });

    it.each([
      ['its sid, and no other', { sid: 'sid-a', subject: 'alice' }, ['a'], ['alice']],
      ['a sid alone', { sid: 'sid-c' }, ['c'], ['bob']],
      ['the subject, all of them', { subject: 'alice' }, ['a', 'b'], ['alice']],
      ['a subject without any', { subject: 'carol' }, [], []],
    ])('end by %s', async (_how, who, ended, subjects) => {
      await sessions.insert(session());
      await sessions.insert(session({ id: 'b', sid: 'sid-b' }));
      await sessions.insert(session({ id: 'c', sid: 'sid-c', subject: 'bob' }));
      await sessions.insert(session({ id: 'd', issuer: 'https://other.test/' }));
      expect(await sessions.subjectsOf({ issuer: ISSUER, ...who })).toEqual(subjects);
      await sessions.logOut({ issuer: ISSUER, ...who }, NOW + 1, NOW + 2);
      expect(await sessions.subjectsOf({ issuer: ISSUER, ...who })).toEqual([]);
      for (const id of ['a', 'b', 'c', 'd'])
        expect(await endedAt(id)).toBe(ended.includes(id) ? NOW + 1 : null);
    });

    it('kept elsewhere are over when they began before the logout, and later ones are not', async () => {
      const who = { issuer: ISSUER, subject: 'alice', sid: 'sid-a' };
      expect(await sessions.isLoggedOut(who, NOW)).toBe(false);
      await sessions.logOut({ issuer: ISSUER, subject: 'alice' }, NOW, NOW + 10);
      await sessions.logOut({ issuer: ISSUER, subject: 'alice' }, NOW - 5, NOW + 5);
      expect(await sessions.isLoggedOut(who, NOW)).toBe(true);
      expect(await sessions.isLoggedOut(who, NOW + 1)).toBe(false);
      expect(await sessions.isLoggedOut({ ...who, issuer: 'https://other.test/' }, NOW)).toBe(false);
      expect(await sessions.isLoggedOut({ ...who, subject: 'bob' }, NOW)).toBe(false);
    });

    it('kept elsewhere are over by their sid', async () => {
      await sessions.logOut({ issuer: ISSUER, sid: 'sid-a' }, NOW, NOW + 10);
      expect(await sessions.isLoggedOut({ issuer: ISSUER, subject: 'x', sid: 'sid-a' }, NOW)).toBe(true);
      expect(await sessions.isLoggedOut({ issuer: ISSUER, subject: 'x' }, NOW)).toBe(false);
    });

    it('are forgotten when they have expired, and logouts when nobody can mean them', async () => {
      await sessions.insert(session());
      await sessions.insert(session({ id: 'b', expiresAt: NOW + 1 }));
      await sessions.logOut({ issuer: ISSUER, subject: 'alice' }, NOW, NOW);
      await sessions.purge(NOW + 1);
      expect(await sessions.find('b')).toBeUndefined();
      expect(await sessions.find('a')).toBeDefined();
      expect(await sessions.isLoggedOut({ issuer: ISSUER, subject: 'alice' }, NOW)).toBe(false);
    });

    it('a token is used first by one of twenty at once, and again after it was forgotten', async () => {
      const uses = await Promise.all(Array.from({ length: 20 }, () => used.use('oidc:ci:1', NOW)));
      expect(uses.filter((first) => first)).toHaveLength(1);
      await used.purge(NOW - 1);
      expect(await used.use('oidc:ci:1', NOW)).toBe(false);
      expect([await used.isUsed('oidc:ci:1'), await used.isUsed('oidc:ci:2')]).toEqual([true, false]);
      await used.purge(NOW);
      expect(await used.use('oidc:ci:1', NOW)).toBe(true);
    });
  });
}
