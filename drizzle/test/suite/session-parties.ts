import { beforeEach, describe, expect, it } from 'vitest';
import { sessionParties } from '../../record/schema.ts';
import type { SessionFact } from '../../record/sessions.ts';
import type { Databases, OpenDatabases } from './databases.ts';
import { AUDIENCE, addSessions, NOW, revocation, sessionFact, tokenId, uuidOf } from './rows.ts';

const ROBOT = 'auth0:people.test:robot';
const TOKEN = `token:${tokenId('7')}`;

export function describeSessionParties(open: OpenDatabases): void {
  describe('a party to a session', () => {
    let databases: Databases;
    beforeEach(async () => {
      databases = await open();
    });
    const write = (name: number, differs: Partial<SessionFact>) =>
      addSessions(databases, sessionFact({ id: uuidOf(name), ...differs }));
    const instancesOf = async (target: string) =>
      (await databases.record.revocations.liveObjects(AUDIENCE, revocation({ target }), undefined, 9)).map(
        ({ instance }) => instance,
      );
    const parties = async () =>
      (await databases.recordDb.select().from(sessionParties)).map(({ partyId }) => partyId);

    it('is found by revocations as its principal is, and an object is counted once', async () => {
      await write(1, { instance: 'own', principal: ROBOT });
      await write(2, { instance: 'acted', parties: [TOKEN, ROBOT] });
      await write(3, { instance: 'other', parties: [TOKEN] });
      await write(4, { instance: 'alone' });
      expect(await instancesOf(`principal:${ROBOT}`)).toEqual(['acted', 'own']);
      expect(await instancesOf(`service-token:${tokenId('7')}`)).toEqual(['acted', 'other']);
      const { countLiveObjects } = databases.record.revocations;
      const row = revocation({ target: `principal:${ROBOT}` });
      expect(await countLiveObjects(AUDIENCE, row, undefined)).toBe(2);
      expect(await countLiveObjects(AUDIENCE, row, { agent: 'counter', instance: 'acted' })).toBe(1);
    });

    it('is found by tickets from before only where the ticket of the session is from before', async () => {
      await write(1, { parties: [ROBOT], rev: 7 });
      const found = async (rev: number) => {
        const row = revocation({ target: `principal:${ROBOT}`, kind: 'before', rev });
        return (await databases.record.revocations.liveObjects(AUDIENCE, row, undefined, 9)).length;
      };
      expect([await found(7), await found(8)]).toEqual([0, 1]);
    });

    it('is not found where the session is over', async () => {
      await write(1, { parties: [ROBOT], endedAt: NOW + 1, endReason: 'client_closed' });
      expect(await instancesOf(`principal:${ROBOT}`)).toEqual([]);
    });

    it('is written once, however often', async () => {
      await write(1, { parties: [ROBOT, TOKEN] });
      await write(1, { parties: [ROBOT, TOKEN] });
      expect((await parties()).sort()).toEqual([ROBOT, TOKEN]);
    });

    it('goes with the session', async () => {
      for (const name of [1, 2, 3])
        await write(name, { parties: [`auth0:t:${name}`], endedAt: NOW + name, endReason: 'client_closed' });
      expect(await databases.record.sessions.purge(NOW + 9, 2)).toBe(2);
      expect(await parties()).toEqual(['auth0:t:3']);
    });
  });
}
