import { sql } from 'drizzle-orm';
import { beforeEach, describe, expect, it } from 'vitest';
import type { SessionFact } from '../../record/sessions.ts';
import type { Databases, OpenDatabases } from './databases.ts';
import { ALICE, addSessions, JTI, KID, MINUTE, NOW, sessionFact, uuidOf } from './rows.ts';

const OPENED = sessionFact();
const RENEWED = sessionFact({
  role: 'admin',
  scope: 'agent:connect agent:message',
  jti: 'jti-2',
  kid: 'key-2',
  rev: 9,
  grantId: 'grant-2',
  loginId: 'login-2',
});
const CLOSED = sessionFact({ endedAt: NOW + MINUTE, endReason: 'client_closed' });

const MAIN = { agent: 'counter', instance: 'main' };

export function describeRecordSessions(open: OpenDatabases): void {
  describe('sessions of the record database', () => {
    let databases: Databases;
    let sessions: Databases['record']['sessions'];
    beforeEach(async () => {
      databases = await open();
      sessions = databases.record.sessions;
    });
    const write = (fact: SessionFact) => addSessions(databases, fact);
    const find = () => sessions.find(OPENED.id);

    it('puts each name of a session into the column of its meaning', async () => {
      await write(
        sessionFact({
          ...CLOSED,
          ipAddress: '192.0.2.1',
          userAgent: 'curl/8',
          scope: 'a b',
          grantId: 'grant-1',
          loginId: 'login-1',
        }),
      );
      expect(await databases.recordDb.all(sql`SELECT * FROM agent_sessions`)).toEqual([
        {
          id: OPENED.id,
          user_id: ALICE,
          agent_slug: 'counter',
          instance_id: 'main',
          audience: 'agents.test',
          role: 'viewer',
          scope: 'a b',
          started_at: NOW,
          ended_at: NOW + MINUTE,
          end_reason: 'client_closed',
          ip_address: '192.0.2.1',
          user_agent: 'curl/8',
          jti: JTI,
          kid: KID,
          rev: 7,
          grant_id: 'grant-1',
          login_id: 'login-1',
        },
      ]);
    });

    it('finds a session by its id and nothing by another', async () => {
      await write(OPENED);
      expect(await find()).toMatchObject({ userId: ALICE, agentSlug: 'counter', instanceId: 'main' });
      expect(await sessions.find(uuidOf(2))).toBeUndefined();
    });

    it('takes the rights and the ticket of a renewal, and leaves the session itself as it was', async () => {
      await write({ ...OPENED, ipAddress: '192.0.2.1', userAgent: 'curl/8' });
      await write({ ...RENEWED, startedAt: NOW + MINUTE, ipAddress: '192.0.2.2' });
      const { role, scope, jti, kid, rev, grantId, loginId } = RENEWED;
      const rights = { role, scope, jti, kid, rev, grantId, loginId };
      expect(await find()).toMatchObject({ ...rights, startedAt: NOW, endedAt: null });
      expect(await find()).toMatchObject({ ipAddress: '192.0.2.1', userAgent: 'curl/8' });
    });

    it('never moves a session to another principal or instance', async () => {
      await write(OPENED);
      await write({ ...RENEWED, principal: 'mallory', agent: 'lobby', instance: 'side' });
      expect(await find()).toMatchObject({ userId: ALICE, agentSlug: 'counter', instanceId: 'main' });
    });

    it('writes the end of a session', async () => {
      await write(OPENED);
      await write(CLOSED);
      expect(await find()).toMatchObject({ endedAt: NOW + MINUTE, endReason: 'client_closed' });
    });

    it.each([
      ['opened', OPENED],
      ['renewed', RENEWED],
    ])('keeps a session ended when "%s" comes late', async (_what, late) => {
      await write(CLOSED);
      await write(late);
      expect(await find()).toMatchObject({
        startedAt: NOW,
        endedAt: NOW + MINUTE,
        endReason: 'client_closed',
      });
    });

    it('keeps the first end when a second one comes', async () => {
      await write(CLOSED);
      await write(sessionFact({ endedAt: NOW + 2 * MINUTE, endReason: 'session_expired' }));
      expect(await find()).toMatchObject({ endedAt: NOW + MINUTE, endReason: 'client_closed' });
    });

    it('changes nothing when a fact arrives twice', async () => {
      await write(CLOSED);
      const before = await find();
      await write(CLOSED);
      expect(await find()).toEqual(before);
    });

    it('lists the newest sessions of one instance, ended ones among them, and no more than asked for', async () => {
      for (const [name, startedAt, endedAt] of [
        [1, NOW, NOW + 1],
        [2, NOW + 2, null],
        [3, NOW + 1, null],
      ] as const)
        await write(sessionFact({ id: uuidOf(name), startedAt, endedAt }));
      await write(sessionFact({ id: uuidOf(4), instance: 'side' }));
      await write(sessionFact({ id: uuidOf(5), agent: 'lobby' }));
      const idsOf = async (limit: number) =>
        (await sessions.list(MAIN, undefined, limit)).rows.map(({ id }) => id);
      expect(await idsOf(50)).toEqual([uuidOf(2), uuidOf(3), uuidOf(1)]);
      expect(await idsOf(2)).toEqual([uuidOf(2), uuidOf(3)]);
      expect((await sessions.list({ ...MAIN, instance: 'none' }, undefined, 50)).rows).toEqual([]);
    });

    it('orders sessions of one moment by their ids', async () => {
      for (const name of [2, 3, 1]) await write(sessionFact({ id: uuidOf(name) }));
      const { rows: listed } = await sessions.list(MAIN, undefined, 50);
      expect(listed.map(({ id }) => id)).toEqual([uuidOf(3), uuidOf(2), uuidOf(1)]);
    });
  });
}
