import { describe, expect, it } from 'vitest';
import { burnStore } from '../../object/burns.ts';
import { type OpenedSession, objectSessionStore } from '../../object/sessions.ts';
import { MINUTE, NOW } from '../suite/rows.ts';
import { inObject } from './object.ts';

/** Seconds. */
const EXP = NOW / 1000 + 60;

const SESSION: OpenedSession = {
  id: 'session-1',
  ticket: 'jti-1',
  exp: EXP,
  opening: '{"kid":"key-1"}',
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

/** What a row has from the start beside that. */
const OPEN = { endedAt: null, endReason: null, endDetails: null, version: 1, recorded: 0 };

type Sessions = ReturnType<typeof objectSessionStore>;
const inSessions = (work: (sessions: Sessions) => void): Promise<void> =>
  inObject((sql) => work(objectSessionStore(sql)));
const named = (id: string, differs: Partial<typeof SESSION> = {}) => ({
  ...SESSION,
  id,
  ticket: id,
  jti: id,
  ...differs,
});

describe('sessions of an object', () => {
  it('finds a session as it was opened, without an end', () =>
    inSessions((sessions) => {
      sessions.open(SESSION);
      expect(sessions.find('session-1')).toEqual({ ...SESSION, ...OPEN });
      expect(sessions.find('session-2')).toBeUndefined();
    }));

  it('takes a session of an unknown address and client', () =>
    inSessions((sessions) => {
      sessions.open({ ...SESSION, ipAddress: null, userAgent: null });
      expect(sessions.find('session-1')).toMatchObject({ ipAddress: null, userAgent: null });
    }));

  it('refuses a second session under one id or by one ticket, and keeps the first', () =>
    inSessions((sessions) => {
      sessions.open(SESSION);
      expect(() => sessions.open({ ...SESSION, ticket: 'jti-2' })).toThrow(/UNIQUE constraint failed/);
      expect(() => sessions.open({ ...SESSION, id: 'session-2' })).toThrow(/UNIQUE constraint failed/);
      expect(sessions.find('session-1')?.jti).toBe('jti-1');
    }));

  it('ends a session once, and answers it as it ended', () =>
    inSessions((sessions) => {
      sessions.open(SESSION);
      const ended = {
        ...SESSION,
        ...OPEN,
        endedAt: NOW + 1,
        endReason: 'client_closed',
        endDetails: '{"code":1000}',
        version: 2,
      };
      expect(sessions.end('session-1', 'client_closed', NOW + 1, '{"code":1000}')).toEqual(ended);
      expect(sessions.end('session-1', 'session_expired', NOW + 2)).toBeUndefined();
      expect(sessions.find('session-1')).toEqual(ended);
    }));

  it('ends nothing that was never opened', () =>
    inSessions((sessions) => {
      sessions.open(SESSION);
      expect(sessions.end('session-2', 'client_closed', NOW)).toBeUndefined();
      expect(sessions.find('session-1')?.endedAt).toBeNull();
    }));

  it('lists open sessions only', () =>
    inSessions((sessions) => {
      for (const [id, after] of [
        ['late', 3],
        ['soon', 1],
        ['gone', 0],
        ['next', 2],
      ] as const)
        sessions.open(named(id, { expiresAt: NOW + after }));
      sessions.end('gone', 'client_closed', NOW);
      expect(
        sessions
          .listOpen()
          .map(({ id }) => id)
          .sort(),
      ).toEqual(['late', 'next', 'soon']);
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
      const renewed = { ...SESSION, ...OPEN, ...to };
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

  it('knows by each of its tickets how a session ended, and that it did when its row is gone', () =>
    inObject((sql) => {
      const [sessions, burns] = [objectSessionStore(sql), burnStore(sql)];
      for (const id of ['open', 'over', 'gone']) {
        sessions.open(named(id));
        burns.burn(`${id} renewed`, EXP + 600, id);
      }
      for (const id of ['over', 'gone']) sessions.end(id, 'client_closed', NOW);
      sessions.acknowledge([{ id: 'gone', version: 2 }]);
      sessions.purge(EXP + 1);
      expect(['over', 'gone'].map((id) => sessions.find(id)?.id)).toEqual(['over', undefined]);
      const tickets = ['open', 'open renewed', 'over', 'over renewed', 'gone renewed', 'unknown'];
      expect(tickets.map((jti) => sessions.findEnd(jti)?.reason)).toEqual([
        ...[undefined, undefined, 'client_closed', 'client_closed', null, undefined],
      ]);
    }));

  it('forgets a session that is over, recorded and whose ticket expired before a moment, and no other', () =>
    inSessions((sessions) => {
      for (const [id, exp] of [
        ['before', EXP - 1],
        ['at', EXP],
        ['unrecorded', EXP - 1],
        ['ended since', EXP - 1],
        ['open', EXP - 1],
      ] as const)
        sessions.open(named(id, { exp }));
      sessions.acknowledge([{ id: 'ended since', version: 1 }]);
      for (const id of ['before', 'at', 'unrecorded', 'ended since']) sessions.end(id, 'client_closed', NOW);
      sessions.acknowledge(['before', 'at'].map((id) => ({ id, version: 2 })));
      sessions.acknowledge([{ id: 'open', version: 1 }]);
      sessions.purge(EXP);
      const names = ['before', 'at', 'unrecorded', 'ended since', 'open'];
      expect(names.filter((id) => sessions.find(id) !== undefined)).toEqual(names.slice(1));
    }));

  it('is pending until the version that it has is acknowledged: an end written meanwhile stays', () =>
    inSessions((sessions) => {
      sessions.open(named('a', { startedAt: NOW }));
      sessions.open(named('b', { startedAt: NOW - 1 }));
      const pending = () => sessions.pending(9).map(({ id, version }) => `${id} ${version}`);
      expect(pending()).toEqual(['b 1', 'a 1']);
      const handed = sessions.pending(9);
      sessions.end('a', 'client_closed', NOW + 5);
      sessions.acknowledge(handed);
      expect(pending()).toEqual(['a 2']);
      expect(sessions.countPending()).toEqual({ count: 1, since: NOW + 5 });
      // An acknowledgement that comes late takes nothing back.
      sessions.acknowledge([{ id: 'a', version: 2 }]);
      sessions.acknowledge(handed);
      expect([pending(), sessions.isPending()]).toEqual([[], false]);
      expect(sessions.countPending()).toEqual({ count: 0, since: null });
    }));

  it('keeps over a deletion what is not recorded or burns a ticket that has not expired', () =>
    inSessions((sessions) => {
      for (const [id, exp] of [
        ['unrecorded', EXP - 1],
        ['unexpired', EXP],
        ['neither', EXP - 1],
      ] as const)
        sessions.open(named(id, { exp }));
      sessions.acknowledge(['unexpired', 'neither'].map((id) => ({ id, version: 1 })));
      const rows = sessions.kept(EXP);
      const before = sessions.find('unrecorded');
      expect(rows.map(({ id }) => id).sort()).toEqual(['unexpired', 'unrecorded']);
      sessions.end('unrecorded', 'destroyed', NOW);
      sessions.acknowledge([{ id: 'unrecorded', version: 2 }]);
      sessions.purge(EXP);
      for (const row of rows) if (row.id === 'unrecorded') sessions.restore(row);
      expect(sessions.find('unrecorded')).toEqual(before);
    }));
});

describe('what waits in memory', () => {
  /** A store that writes when the test says so, and the ends that are in its rows. */
  const waiting = (
    work: (store: Sessions, sql: SqlStorage, endsWritten: () => unknown[], planned: (() => void)[]) => void,
  ) =>
    inObject((sql) => {
      const planned: (() => void)[] = [];
      const store = objectSessionStore(sql, (write) => {
        planned.push(write);
        return () => void planned.splice(0);
      });
      // As each life of an object begins.
      store.isPending();
      const endsWritten = () =>
        sql
          .exec('SELECT end_reason, recorded FROM ticket_sessions ORDER BY id')
          .toArray()
          .map((row) => [row.end_reason, row.recorded]);
      work(store, sql, endsWritten, planned);
    });

  it('has two facts for a moment: that a client left, and that a session is recorded', () =>
    waiting((sessions, _, endsWritten, planned) => {
      sessions.open(named('a'));
      sessions.acknowledge(sessions.pending(9));
      sessions.noteLeft('a', 'client_closed', NOW + 1, '{"code":1000}');
      expect(endsWritten()).toEqual([[null, 0]]);
      expect(sessions.find('a')).toMatchObject({ endReason: 'client_closed', version: 2, recorded: 1 });
      expect(sessions.pending(9)).toEqual([sessions.find('a')]);
      planned[0]?.();
      expect(endsWritten()).toEqual([['client_closed', 1]]);
      expect(sessions.find('a')).toMatchObject({ endedAt: NOW + 1, endDetails: '{"code":1000}', version: 2 });
    }));

  it('is written with the next session, and an end that takes rights away is written at once', () =>
    waiting((sessions, _, endsWritten) => {
      for (const id of ['a', 'b']) sessions.open(named(id));
      sessions.noteLeft('a', 'client_closed', NOW);
      sessions.open(named('c'));
      expect(endsWritten()).toEqual([
        ['client_closed', 0],
        [null, 0],
        [null, 0],
      ]);
      sessions.noteLeft('b', 'client_closed', NOW);
      sessions.end('c', 'locked', NOW);
      expect(endsWritten()).toEqual([
        ['client_closed', 0],
        ['client_closed', 0],
        ['locked', 0],
      ]);
    }));

  it.for<[what: string, read: (sessions: Sessions) => unknown, seen: unknown]>([
    ['is not open', (sessions) => sessions.listOpen(), []],
    ['does not count', (sessions) => sessions.countOpen(SESSION.principal), 0],
    ['has no address', (sessions) => sessions.openAddresses('auth0:', 'auth0;'), []],
    ['is due for nothing', (sessions) => sessions.nextDue(), undefined],
    ['is ended by its ticket', (sessions) => sessions.findEnd('a')?.reason, 'client_closed'],
    ['does not end again', (sessions) => sessions.end('a', 'locked', NOW + 1), undefined],
    ['does not leave again', (sessions) => sessions.noteLeft('a', 'connection_lost', NOW + 1), undefined],
    ['is pending', (sessions) => sessions.isPending(), true],
    ['counts as pending', (sessions) => sessions.countPending(), { count: 1, since: NOW }],
    [
      'outlives a deletion',
      (sessions) => sessions.kept(EXP + 1).map((row) => row.end_reason),
      ['client_closed'],
    ],
  ])('is known to each question: a session whose client left %s', ([, read, seen]) =>
    waiting((sessions) => {
      sessions.open(named('a', { startedAt: NOW }));
      sessions.noteLeft('a', 'client_closed', NOW);
      expect(read(sessions)).toEqual(seen);
    }),
  );

  it('is lost when the object is killed: its next life finds the session open and pending', () =>
    waiting((sessions, sql) => {
      sessions.open(named('a'));
      sessions.noteLeft('a', 'client_closed', NOW);
      sessions.acknowledge(sessions.pending(9));
      const next = objectSessionStore(sql);
      expect(next.listOpen()).toEqual(next.pending(9));
      expect(next.pending(9)).toMatchObject([{ id: 'a', endedAt: null, version: 1, recorded: 0 }]);
    }));

  it('does not undo an end that another writer of the row has written', () =>
    waiting((sessions, sql) => {
      sessions.open(named('a'));
      sessions.acknowledge(sessions.pending(9));
      objectSessionStore(sql).end('a', 'locked', NOW + 1);
      sessions.write();
      expect(objectSessionStore(sql).find('a')).toMatchObject({
        endedAt: NOW + 1,
        endReason: 'locked',
        version: 2,
        recorded: 1,
      });
    }));

  it('is written once, with the next session or when a moment is over', () =>
    waiting((sessions, _, endsWritten, planned) => {
      for (const id of ['a', 'b']) {
        sessions.open(named(id));
        sessions.noteLeft(id, 'client_closed', NOW);
        expect(planned).toHaveLength(1);
      }
      sessions.open(named('c'));
      expect([endsWritten()[1], planned.length]).toEqual([['client_closed', 0], 0]);
    }));

  it('is limited to a number of sessions: beyond it all stay pending, and are read from their rows', () =>
    waiting((sessions, sql) => {
      for (let n = 0; n < 1_002; n += 1) sessions.open(named(`s-${n}`, { startedAt: NOW + n }));
      sql.exec("UPDATE ticket_sessions SET user_agent = 'another' WHERE id = 's-0'");
      expect(sessions.find('s-0')?.userAgent).toBe('another');
      expect(sessions.pending(2_000).map(({ id }) => id)).toEqual(
        Array.from({ length: 1_002 }, (_, n) => `s-${n}`),
      );
      expect(sessions.pending(3).map(({ id }) => id)).toEqual(['s-0', 's-1', 's-2']);
    }));
});
