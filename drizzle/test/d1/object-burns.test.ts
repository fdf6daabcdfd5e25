import { evictDurableObject } from 'cloudflare:test';
import { describe, expect, it } from 'vitest';
import { burnStore } from '../../object/burns.ts';
import { objectSessionStore } from '../../object/sessions.ts';
import { inObject, inSameObject, newObject } from './object.ts';

/** Seconds. */
const EXP = 1_700_000_060;

const openedBy = (ticket: string) => ({
  id: `session of ${ticket}`,
  ticket,
  exp: EXP,
  opening: '{}',
  principal: 'auth0:people.test:alice',
  jti: ticket,
  claims: '{}',
  kid: 'key-1',
  limits: '{}',
  startedAt: 1,
  expiresAt: 2,
  warnAt: null,
  idleAt: null,
  ipAddress: null,
  userAgent: null,
});

describe('burned tickets of an object', () => {
  it('lets one of a hundred tries with one ticket through', () =>
    inObject((sql) => {
      const burns = burnStore(sql);
      const tries = Array.from({ length: 100 }, () => burns.burn('jti-1', EXP, 'session-1'));
      expect(tries).toEqual([true, ...Array.from({ length: 99 }, () => false)]);
    }));

  it('lets one of a hundred tries in a hundred events through', async () => {
    const object = newObject();
    const tries = await Promise.all(
      Array.from({ length: 100 }, () =>
        inSameObject(object, async (sql) => {
          await Promise.resolve();
          return burnStore(sql).burn('jti-1', EXP, 'session-1');
        }),
      ),
    );
    expect(tries.filter(Boolean)).toHaveLength(1);
  });

  it('takes each ticket once, and none in the other case of its letters', () =>
    inObject((sql) => {
      const burns = burnStore(sql);
      expect(['a', 'b', 'A', 'a', 'b'].map((jti) => burns.burn(jti, EXP, 'session-1'))).toEqual([
        ...[true, true, true],
        ...[false, false],
      ]);
    }));

  it('takes no second try for a first one because it names another expiry', () =>
    inObject((sql) => {
      const burns = burnStore(sql);
      burns.burn('jti-1', EXP, 'session-1');
      expect(burns.burn('jti-1', EXP + 60, 'session-1')).toBe(false);
      burns.purge(EXP + 1);
      expect(burns.burn('jti-1', EXP, 'session-1')).toBe(true);
    }));

  it('knows a burned ticket after the object slept and its tables were made again', async () => {
    const object = newObject();
    await inSameObject(object, (sql) => burnStore(sql).burn('jti-1', EXP, 'session-1'));
    await evictDurableObject(object);
    expect(await inSameObject(object, (sql) => burnStore(sql).burn('jti-1', EXP, 'session-1'))).toBe(false);
  });

  it('knows a burned ticket, and the session that it renewed, without burning it', () =>
    inObject((sql) => {
      const burns = burnStore(sql);
      expect(burns.sessionOf('jti-1')).toBeUndefined();
      expect(burns.burn('jti-1', EXP, 'session-1')).toBe(true);
      expect(burns.sessionOf('jti-1')).toBe('session-1');
    }));

  it('takes the ticket that opened a session for burned, by the row of the session', () =>
    inObject((sql) => {
      const burns = burnStore(sql);
      objectSessionStore(sql).open(openedBy('jti-1'));
      expect(burns.sessionOf('jti-1')).toBe('session of jti-1');
      expect(burns.burn('jti-1', EXP, 'session-2')).toBe(false);
      expect([1, 2].map(() => burns.countReplay('jti-1', EXP, 'session of jti-1'))).toEqual([1, 2]);
      expect(burns.sessionOf('jti-1')).toBe('session of jti-1');
    }));

  it('keeps what has not expired over a deletion of everything else', () =>
    inObject((sql) => {
      const burns = burnStore(sql);
      burns.burn('before', EXP - 1, 'session-1');
      burns.burn('at', EXP, 'session-1');
      burns.countReplay('at', EXP, 'session-1');
      const kept = burns.unexpired(EXP);
      burns.purge(EXP + 1);
      for (const row of kept) burns.restore(row);
      expect(['before', 'at'].map((jti) => burns.sessionOf(jti))).toEqual([undefined, 'session-1']);
      expect(burns.countReplay('at', EXP, 'session-1')).toBe(2);
    }));

  it('keeps objects apart', async () => {
    await inObject((sql) => burnStore(sql).burn('jti-1', EXP, 'session-1'));
    expect(await inObject((sql) => burnStore(sql).burn('jti-1', EXP, 'session-1'))).toBe(true);
  });

  it('counts the showings since the first one, by ticket', () =>
    inObject((sql) => {
      const burns = burnStore(sql);
      burns.burn('jti-1', EXP, 'session-1');
      burns.burn('jti-2', EXP, 'session-1');
      expect(['jti-1', 'jti-1', 'jti-2'].map((jti) => burns.countReplay(jti, EXP, 'session-1'))).toEqual([
        1, 2, 1,
      ]);
    }));

  it('hands out what is held of a replay once, when it is due, with the showings by then', () =>
    inObject((sql) => {
      const burns = burnStore(sql);
      burns.burn('jti-1', EXP, 'session-1');
      burns.countReplay('jti-1', EXP, 'session-1');
      burns.holdReplay('jti-1', 'event', 2_000);
      burns.countReplay('jti-1', EXP, 'session-1');
      expect([burns.sessionOf('jti-1'), burns.nextReplay()]).toEqual(['session-1', 2_000]);
      expect(burns.takeReplays(1_999)).toEqual([]);
      expect(burns.takeReplays(2_000)).toEqual([{ replay: 'event', replays: 2 }]);
      expect([burns.takeReplays(9_000), burns.nextReplay()]).toEqual([[], undefined]);
    }));

  it('forgets tickets that expired before a moment, and keeps those that expired at it', () =>
    inObject((sql) => {
      const burns = burnStore(sql);
      burns.burn('before', EXP - 1, 'session-1');
      burns.burn('at', EXP, 'session-1');
      burns.burn('after', EXP + 1, 'session-1');
      burns.purge(EXP);
      expect(['before', 'at', 'after'].map((jti) => burns.burn(jti, EXP, 'session-1'))).toEqual([
        true,
        false,
        false,
      ]);
    }));
});
