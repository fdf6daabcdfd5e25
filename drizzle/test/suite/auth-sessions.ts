import { beforeEach, describe, expect, it } from 'vitest';
import type { Change } from '../../control/change.ts';
import type { Databases, OpenDatabases } from './databases.ts';
import { ALICE, auditEvent, BOB, NOW, uuidOf } from './rows.ts';

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
    let control: Databases['control'];
    let sessions: Databases['control']['authSessions'];
    beforeEach(async () => {
      control = (await open()).control;
      sessions = control.authSessions;
    });
    let changes = 0;
    /** Whether a change applied. */
    const change = async (statement: Change['statement'], before: Change['before'] = []) => {
      changes += 1;
      const event = auditEvent({ eventId: uuidOf(changes), type: 'login.ended' });
      return (await control.change({ statement, before, event, dueAt: NOW })) !== undefined;
    };
    const insert = (differs: object = {}) => change(sessions.insert(session(differs)));
    const end = (id: string, now: number) => change(sessions.end(id, now));
    const endedAt = async (id: string) => (await sessions.find(id))?.endedAt;

    it('are found as they were written', async () => {
      await insert();
      expect(await sessions.find('a')).toEqual({ ...session(), endedAt: null });
      expect(await sessions.find('b')).toBeUndefined();
    });

    it('end once', async () => {
      await insert();
      const ends = await Promise.all([1, 2, 3].map((ms) => end('a', NOW + ms)));
      expect(ends.filter((ended) => ended)).toHaveLength(1);
      expect(await end('nobody', NOW)).toBe(false);
    });

    it.each([
      ['its sid, and no other', { sid: 'sid-a', subject: 'alice' }, ['a'], ['alice']],
      ['a sid alone', { sid: 'sid-c' }, ['c'], ['bob']],
      ['the subject, all of them', { subject: 'alice' }, ['a', 'b'], ['alice']],
      ['a subject without any', { subject: 'carol' }, [], []],
    ])('end by %s', async (_how, who, ended, subjects) => {
      await insert();
      await insert({ id: 'b', sid: 'sid-b' });
      await insert({ id: 'c', sid: 'sid-c', subject: 'bob' });
      await insert({ id: 'd', issuer: 'https://other.test/' });
      expect(await sessions.subjectsOf({ issuer: ISSUER, ...who })).toEqual(subjects);
      await change(sessions.endAll({ issuer: ISSUER, ...who }, NOW + 1));
      expect(await sessions.subjectsOf({ issuer: ISSUER, ...who })).toEqual([]);
      for (const id of ['a', 'b', 'c', 'd'])
        expect(await endedAt(id)).toBe(ended.includes(id) ? NOW + 1 : null);
    });

    it('end by a session or a subject that a logout names, and by nothing else', () => {
      expect(() => sessions.endAll({ issuer: ISSUER }, NOW)).toThrow(TypeError);
    });

    it('are forgotten when they have expired', async () => {
      await insert();
      await insert({ id: 'b', expiresAt: NOW + 1 });
      await sessions.purge(NOW + 1, 9);
      expect(await sessions.find('b')).toBeUndefined();
      expect(await sessions.find('a')).toBeDefined();
    });
  });

  describe('principals that signed out', () => {
    let control: Databases['control'];
    beforeEach(async () => {
      control = (await open()).control;
    });
    let changes = 0;
    const signOut = (
      differs: { tokensBefore?: number; loginsBefore?: number | null; keptUntil?: number } = {},
    ) => {
      changes += 1;
      return control.change({
        statement: control.principals.signOut({
          ...{ id: ALICE, tokensBefore: NOW, loginsBefore: null, keptUntil: NOW + 10 },
          ...differs,
        }),
        event: auditEvent({ eventId: uuidOf(changes) }),
        dueAt: NOW,
      });
    };
    const found = () => control.principals.find(ALICE);

    it('are found by their ids, and no others', async () => {
      await signOut({ loginsBefore: NOW - 1 });
      const row = { id: ALICE, tokensBefore: NOW, loginsBefore: NOW - 1, keptUntil: NOW + 10 };
      expect(await found()).toMatchObject(row);
      expect(await control.principals.find(BOB)).toBeUndefined();
    });

    it('have times that only grow, each for itself', async () => {
      await signOut({ tokensBefore: NOW, loginsBefore: NOW, keptUntil: NOW + 10 });
      await signOut({ tokensBefore: NOW - 5, loginsBefore: NOW + 1, keptUntil: NOW + 5 });
      expect(await found()).toMatchObject({ tokensBefore: NOW, loginsBefore: NOW + 1, keptUntil: NOW + 10 });
      await signOut({ tokensBefore: NOW + 2, loginsBefore: NOW - 5, keptUntil: NOW + 11 });
      expect(await found()).toMatchObject({
        ...{ tokensBefore: NOW + 2, loginsBefore: NOW + 1, keptUntil: NOW + 11 },
      });
    });

    it('keep the time of their sign-ins where only one sign-in ended', async () => {
      await signOut({ loginsBefore: NOW - 3 });
      await signOut({ tokensBefore: NOW + 1, loginsBefore: null });
      expect(await found()).toMatchObject({ tokensBefore: NOW + 1, loginsBefore: NOW - 3 });
    });

    it('get a time for their sign-ins where all of them end later', async () => {
      await signOut({ loginsBefore: null });
      expect(await found()).toMatchObject({ loginsBefore: null });
      await signOut({ loginsBefore: NOW - 3 });
      expect(await found()).toMatchObject({ loginsBefore: NOW - 3 });
    });

    it('are forgotten when no credential that old is taken any more', async () => {
      await signOut({ keptUntil: NOW + 1 });
      await control.principals.purge(NOW, 9);
      expect(await found()).toBeDefined();
      await control.principals.purge(NOW + 1, 9);
      expect(await found()).toBeUndefined();
    });
  });

  describe('tokens that count once', () => {
    it('are used first by one of twenty at once, and again after they were forgotten', async () => {
      const used = (await open()).control.usedTokens;
      const uses = await Promise.all(Array.from({ length: 20 }, () => used.use('oidc:ci:1', NOW)));
      expect(uses.filter((first) => first)).toHaveLength(1);
      await used.purge(NOW - 1, 9);
      expect(await used.use('oidc:ci:1', NOW)).toBe(false);
      expect([await used.isUsed('oidc:ci:1'), await used.isUsed('oidc:ci:2')]).toEqual([true, false]);
      await used.purge(NOW, 9);
      expect(await used.use('oidc:ci:1', NOW)).toBe(true);
    });
  });
}
