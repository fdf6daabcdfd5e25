import { eq } from 'drizzle-orm';
import { beforeEach, describe, expect, it } from 'vitest';
import type { AgentRightsQuestion } from '../../control/agent-rights.ts';
import type { GrantRow } from '../../control/policy.ts';
import { grants, revocations } from '../../control/schema.ts';
import type { Databases, OpenDatabases } from './databases.ts';
import { ALICE, grant, NOW, revocationRow } from './rows.ts';

const GROUP = 'group:auth0:people.test:staff';
const SECOND = 1_000;
const eqId = (id: string) => eq(revocations.id, id);
const QUESTION: AgentRightsQuestion = {
  principal: ALICE,
  subjects: [ALICE, GROUP],
  agents: [{ slug: 'counter' }, { slug: 'diary' }, { slug: 'lobby', instances: ['main', 'side'] }],
  targets: [`principal:${ALICE}`, 'agent:counter', 'agent:diary'],
  claimsSince: NOW - 60 * SECOND,
  lastsUntil: NOW + 5 * SECOND,
  now: NOW,
};

export function describeAgentRights(open: OpenDatabases): void {
  describe('the rights of a principal on all agents', () => {
    let databases: Databases;
    beforeEach(async () => {
      databases = await open();
    });
    const insert = async (...rows: Partial<GrantRow>[]) => {
      for (const row of rows)
        await databases.controlDb.insert(grants).values(grant({ id: Object.values(row).join(' '), ...row }));
    };
    const lock = async (...targets: string[]) => {
      for (const target of targets) {
        const rev = (await databases.control.revocations.newestRev()) + 1;
        await databases.controlDb.insert(revocations).values(revocationRow({ id: target, target, rev }));
      }
    };
    const read = async () => {
      const rows = await databases.control.readAgentRights(QUESTION);
      return rows.grants.map(({ subject, agentSlug, instanceId, role }) =>
        [subject === ALICE ? 'alice' : 'group', agentSlug, instanceId, role].join(' '),
      );
    };

    it('are one grant for each subject, agent and role, that of every instance first', async () => {
      await insert(
        ...['b', 'a', 'c'].map((instanceId) => ({ instanceId })),
        ...['d', '*'].map((instanceId) => ({ instanceId, role: 'admin' })),
        { subject: GROUP, instanceId: 'e' },
        { agentSlug: 'diary', instanceId: 'a', role: 'owner' },
        { subject: 'auth0:people.test:mallory', role: 'owner' },
        { agentSlug: 'elsewhere', role: 'owner' },
      );
      expect((await read()).sort()).toEqual([
        'alice counter * admin',
        'alice counter a viewer',
        'alice diary a owner',
        'group counter e viewer',
      ]);
    });

    it('are all grants on listed instances, and none on others', async () => {
      await insert(...['a', 'main', 'side', '*'].map((instanceId) => ({ agentSlug: 'lobby', instanceId })), {
        agentSlug: 'lobby',
        instanceId: 'main',
        role: 'owner',
      });
      expect((await read()).sort()).toEqual([
        'alice lobby * viewer',
        'alice lobby main owner',
        'alice lobby main viewer',
        'alice lobby side viewer',
      ]);
    });

    it.each<[what: string, differs: Partial<GrantRow>, counts: boolean]>([
      ['that lasts', { expiresAt: QUESTION.lastsUntil }, true],
      ['that is about to end', { expiresAt: QUESTION.lastsUntil - 1 }, false],
      ['that was deleted', { deletedAt: NOW }, false],
      ['that was claimed just now', { claimed: true, createdAt: QUESTION.claimsSince }, true],
      ['that was claimed and may lapse', { claimed: true, createdAt: QUESTION.claimsSince - 1 }, false],
      ['that was claimed and opened', { claimed: true, createdAt: 1, openedAt: 2 }, true],
    ])('do not rest on another grant than one %s', async (_what, differs, counts) => {
      await insert({ id: 'one', instanceId: 'a', ...differs }, { id: 'two', instanceId: 'b' });
      expect(await read()).toEqual([`alice counter ${counts ? 'a' : 'b'} viewer`]);
      await insert({ id: 'three', agentSlug: 'lobby', ...differs });
      expect((await read()).includes('alice lobby main viewer')).toBe(counts);
    });

    it('leave out instances with a lock, with or without an end', async () => {
      await insert(...['a', 'b', 'c', 'd'].map((instanceId) => ({ instanceId })));
      await lock('instance:counter/a', 'instance:counter/b', 'instance:counter/c');
      await databases.controlDb
        .update(revocations)
        .set({ until: NOW + 1 })
        .where(eqId('instance:counter/b'));
      expect(await read()).toEqual(['alice counter d viewer']);
      await databases.controlDb.update(revocations).set({ until: NOW }).where(eqId('instance:counter/c'));
      expect(await read()).toEqual(['alice counter c viewer']);
    });

    it('come with the revocations of the caller and the agents, and with what it claimed', async () => {
      await lock('agent:diary', 'agent:elsewhere', `principal:${ALICE}`);
      await insert({ claimed: true, openedAt: NOW, role: 'owner' });
      const { claims, revocations: found, signedOut } = await databases.control.readAgentRights(QUESTION);
      expect({ claims, signedOut, found: found.map(({ target }) => target).sort() }).toEqual({
        ...{ claims: 1, signedOut: undefined, found: ['agent:diary', `principal:${ALICE}`] },
      });
    });
  });
}
