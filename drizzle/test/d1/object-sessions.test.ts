import { describe, expect, it } from 'vitest';
import { type ObjectSession, objectSessionStore } from '../../object/sessions.ts';
import { MINUTE, NOW } from '../suite/rows.ts';
import { inObject } from './object.ts';

const SESSION: Omit<ObjectSession, 'endedAt' | 'endReason'> = {
  id: 'session-1',
  principal: 'auth0:people.test:alice',
  jti: 'jti-1',
  claims: '{"sub":"alice"}',
  kid: 'key-1',
  limits: '{"idle":60}',
  startedAt: NOW,
  expiresAt: NOW + 10 * MINUTE,
  warnAt: NOW + 9 * MINUTE,
  idleAt: null,
  ipAddress: '192.0.2.1',
  userAgent: 'curl/8',
};

type Sessions = ReturnType<typeof objectSessionStore>;
const inSessions = (work: (sessions: Sessions) => void): Promise<void> =>
  inObject((sql) => work(objectSessionStore(sql)));
const named = (id: string, differs: Partial<typeof SESSION> = {}) => ({
  ...SESSION,
  id,
  jti: id,
  ...differs,
});

describe('sessions of an object', () => {
  it('finds a session as it was opened, without an end', () =>
    inSessions((sessions) => {
      sessions.open(SESSION);
      expect(sessions.find('session-1')).toEqual({ ...SESSION, endedAt: null, endReason: null });
      expect(sessions.find('session-2')).toBeUndefined();
    }));

  it('takes a session of an unknown address and client', () =>
    inSessions((sessions) => {
      sessions.open({ ...SESSION, ipAddress: null, userAgent: null });
      expect(sessions.find('session-1')).toMatchObject({ ipAddress: null, userAgent: null });
    }));

  it('refuses a second session under one id, and keeps the first', () =>
    inSessions((sessions) => {
      sessions.open(SESSION);
      expect(() => sessions.open({ ...SESSION, jti: 'jti-2' })).toThrow(/UNIQUE constraint failed/);
      expect(sessions.find('session-1')?.jti).toBe('jti-1');
    }));

  it('ends a session once, and answers it as it ended', () =>
    inSessions((sessions) => {
      sessions.open(SESSION);
      const ended = { ...SESSION, endedAt: NOW + 1, endReason: 'client_closed' };
      expect(sessions.end('session-1', 'client_closed', NOW + 1)).toEqual(ended);
      expect(sessions.end('session-1', 'session_expired', NOW + 2)).toBeUndefined();
      expect(sessions.find('session-1')).toEqual(ended);
    }));

  it('ends nothing that was never opened', () =>
    inSessions((sessions) => {
      sessions.open(SESSION);
      expect(sessions.end('session-2', 'client_closed', NOW)).toBeUndefined();
      expect(sessions.find('session-1')?.endedAt).toBeNull();
    }));

  it('lists open sessions only, the one that expires first at the head', () =>
    inSessions((sessions) => {
      for (const [id, after] of [
        ['late', 3],
        ['soon', 1],
        ['gone', 0],
        ['next', 2],
      ] as const)
        sessions.open(named(id, { expiresAt: NOW + after }));
      sessions.end('gone', 'client_closed', NOW);
      expect(sessions.listOpen().map(({ id }) => id)).toEqual(['soon', 'next', 'late']);
    }));

  it('names what is next due among open sessions: a warning, silence or the end', () =>
    inSessions((sessions) => {
      expect(sessions.nextDue()).toBeUndefined();
      sessions.open(named('ends', { expiresAt: NOW + 3, warnAt: null, idleAt: null }));
      expect(sessions.nextDue()).toBe(NOW + 3);
      sessions.open(named('falls-silent', { expiresAt: NOW + 9, warnAt: null, idleAt: NOW + 2 }));
      expect(sessions.nextDue()).toBe(NOW + 2);
      sessions.open(named('is-warned', { expiresAt: NOW + 9, warnAt: NOW + 1, idleAt: NOW + 8 }));
      expect(sessions.nextDue()).toBe(NOW + 1);
      sessions.end('is-warned', 'client_closed', NOW);
      expect(sessions.nextDue()).toBe(NOW + 2);
      sessions.end('falls-silent', 'client_closed', NOW);
      sessions.end('ends', 'client_closed', NOW);
      expect(sessions.nextDue()).toBeUndefined();
    }));

  it('counts a warning as given, and silence from anew', () =>
    inSessions((sessions) => {
      sessions.open(named('a', { expiresAt: NOW + 9, warnAt: NOW + 1, idleAt: NOW + 2 }));
      sessions.noteWarned('a');
      expect(sessions.nextDue()).toBe(NOW + 2);
      sessions.postponeIdle('a', NOW + 5);
      expect(sessions.nextDue()).toBe(NOW + 5);
      expect(sessions.find('a')).toMatchObject({ warnAt: null, idleAt: NOW + 5, expiresAt: NOW + 9 });
    }));

  it('gives an open session the rights of a newer ticket, and leaves the session itself as it was', () =>
    inSessions((sessions) => {
      sessions.open(SESSION);
      const to = {
        jti: 'jti-2',
        claims: '{"n":2}',
        kid: 'key-2',
        expiresAt: NOW + 20 * MINUTE,
        warnAt: null,
      };
      const renewed = { ...SESSION, ...to, endedAt: null, endReason: null };
      expect(sessions.renew('session-1', to)).toEqual(renewed);
      expect(sessions.find('session-1')).toEqual(renewed);
    }));

  it('renews nothing that has ended or was never opened', () =>
    inSessions((sessions) => {
      sessions.open(SESSION);
      const ended = sessions.end('session-1', 'session_terminated', NOW);
      const to = { jti: 'jti-2', claims: '{}', kid: 'key-2', expiresAt: NOW + MINUTE, warnAt: null };
      expect(sessions.renew('session-1', to)).toBeUndefined();
      expect(sessions.renew('session-2', to)).toBeUndefined();
      expect(sessions.find('session-1')).toEqual(ended);
    }));

  it('counts the open sessions of one principal', () =>
    inSessions((sessions) => {
      for (const id of ['a', 'b', 'c']) sessions.open(named(id));
      sessions.open(named('d', { principal: 'auth0:people.test:bob' }));
      sessions.end('b', 'client_closed', NOW);
      const people = ['alice', 'bob', 'carol'].map((name) => `auth0:people.test:${name}`);
      expect(people.map((principal) => sessions.countOpen(principal))).toEqual([2, 1, 0]);
    }));

  it('knows by its ticket whether a session is over', () =>
    inSessions((sessions) => {
      sessions.open(named('open'));
      sessions.open(named('over'));
      sessions.end('over', 'client_closed', NOW);
      expect(['open', 'over', 'unknown'].map((jti) => sessions.isOver(jti))).toEqual([false, true, false]);
    }));

  it('forgets sessions that ended before a moment, and keeps the open ones and those that ended at it', () =>
    inSessions((sessions) => {
      for (const [id, endedAt] of [
        ['before', NOW - 1],
        ['at', NOW],
        ['after', NOW + 1],
      ] as const) {
        sessions.open(named(id));
        sessions.end(id, 'client_closed', endedAt);
      }
      sessions.open(named('open', { startedAt: 0, expiresAt: 1 }));
      sessions.purge(NOW);
      expect(['before', 'at', 'after', 'open'].filter((id) => sessions.find(id) !== undefined)).toEqual([
        ...['at', 'after', 'open'],
      ]);
    }));
});
