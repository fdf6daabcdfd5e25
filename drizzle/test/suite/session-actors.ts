import { PrincipalId } from '@agent-ticket/shared/names.ts';
import type { Target } from '@agent-ticket/shared/target.ts';
import { beforeEach, describe, expect, it } from 'vitest';
import type { RecordDatabase } from '../../record/database.ts';
import { liveObjectQueries } from '../../record/live-objects.ts';
import { sessionActors } from '../../record/schema.ts';
import { type SessionFact, writeSession } from '../../record/session-facts.ts';
import { sessionQueries } from '../../record/sessions.ts';
import type { OpenDatabases } from './databases.ts';
import { ALICE, NOW, sessionFact, uuidOf } from './rows.ts';

const ROBOT = PrincipalId.parse('auth0:people.test:robot');
const TOKEN = PrincipalId.parse(`token:${uuidOf(77)}`);

export function describeSessionActors(open: OpenDatabases): void {
  describe('who acts in a session', () => {
    let record: RecordDatabase;
    let liveObjects: ReturnType<typeof liveObjectQueries>;
    beforeEach(async () => {
      ({ record } = await open());
      liveObjects = liveObjectQueries(record);
    });
    async function write(name: number, differs: Partial<SessionFact>): Promise<void> {
      for (const statement of writeSession(record, sessionFact({ id: uuidOf(name), ...differs })))
        await statement;
    }
    const placesOf = async (target: Target, before = NOW) =>
      (await liveObjects.list({ target, before }, undefined, 9)).map(({ instance }) => instance);
    const actors = async () => (await record.select().from(sessionActors)).map(({ actorId }) => actorId);

    it('is found by what is about it, and counted once', async () => {
      await write(1, { instance: 'own', principal: ROBOT });
      await write(2, { instance: 'acted', actors: [TOKEN, ROBOT] });
      await write(3, { instance: 'other', actors: [TOKEN] });
      await write(4, { instance: 'alone' });
      expect(await placesOf({ kind: 'principal', id: ROBOT })).toEqual(['acted', 'own']);
      expect(await placesOf({ kind: 'principal', id: TOKEN })).toEqual(['acted', 'other']);
      expect(await placesOf({ kind: 'service-token', id: uuidOf(77) })).toEqual(['acted', 'other']);
      const meant = { target: { kind: 'principal', id: ROBOT }, before: NOW } as const;
      expect(await liveObjects.count(meant, undefined)).toBe(2);
      expect(await liveObjects.count(meant, { agent: 'counter', instance: 'acted' })).toBe(1);
    });

    it('is not found where the session is over', async () => {
      await write(1, { actors: [ROBOT], endedAt: NOW + 1, endReason: 'client_closed' });
      expect(await placesOf({ kind: 'principal', id: ROBOT })).toEqual([]);
    });

    it('has no part in a question about one principal of an agent: rights are the subject’s', async () => {
      await write(1, { actors: [ROBOT] });
      const { agent, instance } = sessionFact();
      const target = { kind: 'principal', id: PrincipalId.parse(ALICE) } as const;
      expect(await liveObjects.list({ target, principal: ROBOT, before: NOW }, undefined, 9)).toEqual([]);
      expect(await liveObjects.list({ target, principal: ALICE, before: NOW }, undefined, 9)).toEqual([
        { agent, instance },
      ]);
    });

    it('is written once, however often', async () => {
      await write(1, { actors: [ROBOT, TOKEN] });
      await write(1, { actors: [ROBOT, TOKEN] });
      expect((await actors()).sort()).toEqual([ROBOT, TOKEN]);
    });

    it('goes with the session', async () => {
      for (const name of [1, 2, 3])
        await write(name, { actors: [`auth0:t:${name}`], endedAt: NOW + name, endReason: 'client_closed' });
      expect(await sessionQueries(record).purge(NOW + 9, 2)).toBe(2);
      expect(await actors()).toEqual(['auth0:t:3']);
    });
  });

  describe('a session that a ticket from before opened', () => {
    it('is meant by a command, though it started later', async () => {
      const { record } = await open();
      const live = async (before: number) =>
        liveObjectQueries(record).list({ target: { kind: 'everything' }, before }, undefined, 9);
      for (const statement of writeSession(record, sessionFact({ startedAt: NOW + 9, issuedAt: NOW + 3 })))
        await statement;
      expect(await live(NOW + 2)).toEqual([]);
      expect(await live(NOW + 3)).toHaveLength(1);
    });
  });
}
