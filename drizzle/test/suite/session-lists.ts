import { AgentSlug, InstanceName, KeyId, PrincipalId, SessionId } from '@agent-ticket/shared/names.ts';
import type { Target } from '@agent-ticket/shared/target.ts';
import { beforeEach, describe, expect, it } from 'vitest';
import type { RecordDatabase } from '../../record/database.ts';
import { liveObjectQueries, type ObjectPlace } from '../../record/live-objects.ts';
import { type SessionFact, upsertSession } from '../../record/session-facts.ts';
import { type SessionFilter, type SessionPlace, sessionQueries } from '../../record/sessions.ts';
import type { OpenDatabases } from './databases.ts';
import { ALICE, NOW, sessionFact, uuidOf } from './rows.ts';

const BOB = PrincipalId.parse(`token:${uuidOf(77)}`);
const KEY = KeyId.parse('k'.repeat(43));
const agent = AgentSlug.parse('counter');
const instance = InstanceName.parse('main');

/** Live sessions, one object each, and what each target hits of them. */
const LIVE: Readonly<Record<string, Partial<SessionFact>>> = {
  main: { principal: ALICE },
  side: { principal: BOB, instance: 'side' },
  chat: { principal: ALICE, agent: 'chat', kid: KEY },
};
const TARGETS: readonly [target: Target, objects: string[]][] = [
  [{ kind: 'everything' }, ['chat/main', 'counter/main', 'counter/side']],
  [{ kind: 'agent', agent }, ['counter/main', 'counter/side']],
  [{ kind: 'instance', agent, instance }, ['counter/main']],
  [{ kind: 'principal', id: ALICE }, ['chat/main', 'counter/main']],
  [{ kind: 'service-token', id: uuidOf(77) }, ['counter/side']],
  [{ kind: 'session', id: SessionId.parse(uuidOf(1)) }, ['counter/main']],
  [{ kind: 'key', kid: KEY }, ['chat/main']],
  [{ kind: 'principal', id: PrincipalId.parse('auth0:people.test:nobody') }, []],
];

export function describeSessionLists(open: OpenDatabases): void {
  describe('lists of sessions', () => {
    let record: RecordDatabase;
    let sessions: ReturnType<typeof sessionQueries>;
    let liveObjects: ReturnType<typeof liveObjectQueries>;
    beforeEach(async () => {
      ({ record } = await open());
      sessions = sessionQueries(record);
      liveObjects = liveObjectQueries(record);
    });
    const put = (name: number, differs: Partial<SessionFact> = {}) =>
      upsertSession(record, sessionFact({ id: uuidOf(name), ...differs }));
    const list = async (filter: SessionFilter, after?: SessionPlace, limit = 50) =>
      (await sessions.list(filter, after, limit)).map(({ id }) => Number.parseInt(id.slice(-12), 16));

    it('come newest first, those of one moment by id', async () => {
      await put(1, { startedAt: NOW + 1 });
      await put(2);
      await put(3);
      expect(await list({})).toEqual([1, 3, 2]);
      expect(await list({}, undefined, 2)).toEqual([1, 3]);
    });

    it('take every filter alone and all together', async () => {
      await put(1);
      await put(2, { principal: BOB });
      await put(3, { agent: 'lobby' });
      await put(4, { instance: 'side' });
      await put(5, { endedAt: NOW, endReason: 'client_closed' });
      expect(await list({ principal: ALICE })).toEqual([5, 4, 3, 1]);
      expect(await list({ agent: 'counter' })).toEqual([5, 4, 2, 1]);
      expect(await list({ instance: 'main' })).toEqual([5, 3, 2, 1]);
      expect(await list({ active: true })).toEqual([4, 3, 2, 1]);
      expect(await list({ active: false })).toEqual([5]);
      expect(await list({ principal: ALICE, agent: 'counter', instance: 'main', active: true })).toEqual([1]);
    });

    it('have every session on exactly one page, also when a newer one comes in between', async () => {
      for (const name of [1, 2, 3, 4, 5]) await put(name, { startedAt: NOW + Math.floor(name / 2) });
      const seen: number[] = [];
      let after: SessionPlace | undefined;
      for (;;) {
        const page = await sessions.list({ agent: 'counter' }, after, 2);
        const last = page.at(-1);
        if (last === undefined) break;
        seen.push(...page.map(({ id }) => Number.parseInt(id.slice(-12), 16)));
        if (after === undefined) await put(9, { startedAt: NOW + 9 });
        after = last;
      }
      expect(seen).toEqual([5, 4, 3, 2, 1]);
    });

    it('know whether a principal opened an instance since some time', async () => {
      await put(1, { endedAt: NOW, endReason: 'client_closed' });
      expect(await sessions.wasOpened('counter', 'main', ALICE, 0)).toBe(true);
      expect(await sessions.wasOpened('counter', 'main', ALICE, NOW)).toBe(true);
      expect(await sessions.wasOpened('counter', 'main', ALICE, NOW + 1)).toBe(false);
      expect(await sessions.wasOpened('counter', 'main', BOB, 0)).toBe(false);
      expect(await sessions.wasOpened('counter', 'side', ALICE, 0)).toBe(false);
      expect(await sessions.wasOpened('lobby', 'main', ALICE, 0)).toBe(false);
    });

    it('that are open come oldest first, from one time to another', async () => {
      await put(1, { startedAt: NOW - 3 });
      await put(2, { startedAt: NOW - 2 });
      await put(3, { startedAt: NOW - 2, endedAt: NOW, endReason: 'client_closed' });
      await put(4, { startedAt: NOW - 1 });
      await put(5, { startedAt: NOW });
      const ids = async (from: number, until: number, limit: number) =>
        (await sessions.listOpen(from, until, limit)).map(({ startedAt }) => startedAt - NOW);
      expect(await ids(NOW - 2, NOW - 1, 9)).toEqual([-2, -1]);
      expect(await ids(0, NOW, 2)).toEqual([-3, -2]);
    });

    describe('by what a command is about', () => {
      const objects = async (target: Target, before = NOW, limit = 50) =>
        (await liveObjects.list({ target, before }, undefined, limit)).map((o) => `${o.agent}/${o.instance}`);

      it.each(TARGETS)('names the objects that %j hits', async (target, expected) => {
        for (const [index, differs] of Object.values(LIVE).entries()) await put(index + 1, differs);
        expect(await objects(target)).toEqual(expected);
      });

      it('names an object once, however many sessions it has, and no more objects than asked for', async () => {
        for (const name of [1, 2, 3]) await put(name);
        for (const name of [4, 5, 6]) await put(name, { instance: `i${name}` });
        expect(await objects({ kind: 'everything' })).toEqual([
          'counter/i4',
          'counter/i5',
          'counter/i6',
          'counter/main',
        ]);
        expect(await objects({ kind: 'everything' }, NOW, 2)).toHaveLength(2);
      });

      it('comes page by page, each object once, and counts what is left', async () => {
        for (const [index, instance] of ['a', 'b', 'c', 'd', 'e'].entries()) {
          await put(2 * index, { instance });
          await put(2 * index + 1, { instance, agent: index % 2 === 0 ? 'counter' : 'lobby' });
        }
        const meant = { target: { kind: 'everything' }, before: NOW } as const;
        const seen: string[] = [];
        const left: number[] = [];
        for (let after: ObjectPlace | undefined; ; ) {
          left.push(await liveObjects.count(meant, after));
          const page = await liveObjects.list(meant, after, 3);
          if (page.length === 0) break;
          seen.push(...page.map((o) => `${o.agent}/${o.instance}`));
          after = page.at(-1);
        }
        const expected = ['a', 'b', 'c', 'd', 'e'].map((name) => `counter/${name}`);
        expect(seen).toEqual([...expected, 'lobby/b', 'lobby/d']);
        expect(left).toEqual([7, 4, 1, 0]);
      });

      it('can be those of one principal on an agent', async () => {
        await put(1, { instance: 'a' });
        await put(2, { instance: 'b', principal: BOB });
        const target = { kind: 'agent', agent: AgentSlug.parse('counter') } as const;
        expect(await liveObjects.list({ target, principal: BOB, before: NOW }, undefined, 9)).toEqual([
          { agent: 'counter', instance: 'b' },
        ]);
      });

      it('leaves out what ended, and what started after the command by a ticket from after it', async () => {
        await put(1, { endedAt: NOW, endReason: 'client_closed' });
        await put(2, { instance: 'at', startedAt: NOW });
        await put(3, { instance: 'after', startedAt: NOW + 1, issuedAt: NOW + 1 });
        expect(await objects({ kind: 'everything' })).toEqual(['counter/at']);
      });
    });
  });
}
