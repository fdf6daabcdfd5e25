import { beforeEach, describe, expect, it } from 'vitest';
import { changeEventQueries } from '../../control/change-events.ts';
import { deletionQueries } from '../../control/deletions.ts';
import { type GrantPlace, grantQueries, type NewGrant } from '../../control/grants.ts';
import { lockQueries } from '../../control/locks.ts';
import { outboxQueries } from '../../control/outbox.ts';
import { grants } from '../../control/schema.ts';
import type { Databases, OpenDatabases } from './databases.ts';
import { ALICE, auditEvent, grant, lock, MINUTE, NOW, newGrant } from './rows.ts';

export function describeGrants(open: OpenDatabases): void {
  describe('grants', () => {
    let databases: Databases;
    let queries: ReturnType<typeof grantQueries>;
    beforeEach(async () => {
      databases = await open();
      queries = grantQueries(databases.control);
    });
    const allRows = () => databases.control.select().from(grants);

    it('finds a grant as it was made', async () => {
      await queries.insert(newGrant());
      expect(await queries.find('grant-1')).toEqual(grant());
      expect(await queries.find('grant-2')).toBeUndefined();
    });

    it('refuses a second grant under one id aloud', async () => {
      await queries.insert(newGrant());
      await expect(queries.insert(newGrant({ role: 'owner' }))).rejects.toThrow();
      expect(await allRows()).toEqual([grant()]);
    });

    it('finds a grant that ended, but none that was deleted', async () => {
      await queries.insert(newGrant({ expiresAt: NOW - 1 }));
      expect(await queries.find('grant-1')).toBeDefined();
      await queries.delete('grant-1', NOW);
      expect(await queries.find('grant-1')).toBeUndefined();
    });

    it('deletes a grant once, and answers the row to whom it happened', async () => {
      await queries.insert(newGrant());
      const answers = await Promise.all([queries.delete('grant-1', NOW), queries.delete('grant-1', NOW)]);
      expect(answers.filter((row) => row !== undefined)).toEqual([grant({ deletedAt: NOW })]);
      expect(await queries.delete('grant-2', NOW)).toBeUndefined();
    });

    describe('listing', () => {
      const list = async (filter: { agent?: string; instance?: string; subject?: string } = {}) =>
        (await queries.list({ ...filter, now: NOW }, undefined, 50)).map(({ id }) => id);

      it('lists standing grants, newest first and those of one moment by id', async () => {
        await queries.insert(newGrant({ id: 'a', createdAt: NOW - 1 }));
        await queries.insert(newGrant({ id: 'b' }));
        await queries.insert(newGrant({ id: 'c' }));
        await queries.insert(newGrant({ id: 'ends-later', createdAt: NOW - 2, expiresAt: NOW + 1 }));
        await queries.insert(newGrant({ id: 'ends-now', expiresAt: NOW }));
        await queries.insert(newGrant({ id: 'deleted' }));
        await queries.delete('deleted', NOW);
        expect(await list()).toEqual(['c', 'b', 'a', 'ends-later']);
      });

      it('lists by agent, instance, subject and by all of them', async () => {
        await queries.insert(newGrant({ id: 'a' }));
        await queries.insert(newGrant({ id: 'b', agentSlug: 'lobby' }));
        await queries.insert(newGrant({ id: 'c', instanceId: '*' }));
        await queries.insert(newGrant({ id: 'd', subject: 'email:*@people.test' }));
        expect(await list({ agent: 'counter' })).toEqual(['d', 'c', 'a']);
        expect(await list({ instance: 'main' })).toEqual(['d', 'b', 'a']);
        expect(await list({ instance: '*' })).toEqual(['c']);
        expect(await list({ subject: ALICE })).toEqual(['c', 'b', 'a']);
        expect(await list({ agent: 'counter', instance: 'main', subject: ALICE })).toEqual(['a']);
        expect(await list({ agent: 'nobody' })).toEqual([]);
      });

      it('gives every grant on exactly one page, also when a newer one comes in between', async () => {
        for (const [index, id] of ['a', 'b', 'c', 'd', 'e'].entries())
          await queries.insert(newGrant({ id, createdAt: NOW + Math.floor(index / 2) }));
        const seen: string[] = [];
        let after: GrantPlace | undefined;
        for (;;) {
          const page = await queries.list({ now: NOW }, after, 2);
          const last = page.at(-1);
          if (last === undefined) break;
          seen.push(...page.map(({ id }) => id));
          if (after === undefined) await queries.insert(newGrant({ id: 'newer', createdAt: NOW + MINUTE }));
          after = last;
        }
        expect(seen).toEqual(['e', 'd', 'c', 'b', 'a']);
      });

      it('names what any of the subjects stands on', async () => {
        const staff = 'group:auth0:people.test:staff';
        await queries.insert(newGrant({ id: 'a', agentSlug: 'lobby' }));
        await queries.insert(newGrant({ id: 'b', subject: staff, instanceId: '*' }));
        await queries.insert(newGrant({ id: 'c', subject: 'auth0:people.test:bob' }));
        await queries.insert(newGrant({ id: 'ended', expiresAt: NOW }));
        await queries.insert(newGrant({ id: 'deleted' }));
        await queries.delete('deleted', NOW);
        const idsOf = async (...subjects: string[]) =>
          (await queries.ofSubjects(subjects, NOW)).map(({ id }) => id).sort();
        expect(await idsOf(ALICE, staff)).toEqual(['a', 'b']);
        expect(await idsOf('nobody')).toEqual([]);
        expect(await idsOf()).toEqual([]);
      });

      it('names what somebody in two hundred groups stands on', async () => {
        const groups = Array.from({ length: 200 }, (_, index) => `group:auth0:people.test:g${index}`);
        await queries.insert(newGrant({ subject: 'group:auth0:people.test:g199' }));
        expect(await queries.ofSubjects([ALICE, ...groups], NOW)).toHaveLength(1);
      });
    });

    describe('first users', () => {
      const MAX = 3;
      const claim = (id: string, differs: Partial<NewGrant> = {}) =>
        queries.claim(
          newGrant({ id, role: 'owner', ...differs }),
          MAX,
          auditEvent({ eventId: `event-${id}`, type: 'grant.created' }),
        );
      const told = async () =>
        (await changeEventQueries(databases.control).waiting()).map(({ eventId }) => eventId);
      const claimOf = async (instance: string) =>
        (await queries.ownersEver('counter', instance)).find(({ claimed }) => claimed);
      const holder = async () => (await claimOf('main'))?.id;

      it('gives an instance to whoever claims it, as an ordinary grant', async () => {
        expect(await claim('a', { expiresAt: NOW + MINUTE })).toBe(true);
        const claimed = grant({ id: 'a', role: 'owner', expiresAt: NOW + MINUTE, claimed: true });
        expect(await queries.find('a')).toEqual(claimed);
        expect(await claimOf('main')).toEqual(claimed);
        expect(await claimOf('side')).toBeUndefined();
      });

      it('gives an instance to one of twenty who claim it at once', async () => {
        const won = await Promise.all(
          Array.from({ length: 20 }, (_, index) => claim(`claim-${index}`, { subject: `user-${index}` })),
        );
        expect(won.filter(Boolean)).toHaveLength(1);
        expect(await allRows()).toHaveLength(1);
        expect(await holder()).toBe(`claim-${won.indexOf(true)}`);
        expect(await told()).toEqual([`event-claim-${won.indexOf(true)}`]);
      });

      it('keeps instances and agents apart', async () => {
        expect(await claim('a')).toBe(true);
        expect(await claim('b', { instanceId: 'side' })).toBe(true);
        expect(await claim('c', { agentSlug: 'chat' })).toBe(true);
      });

      it('is not in the way of lesser grants by owners and operators', async () => {
        await queries.insert(newGrant({ id: 'by-operator' }));
        expect(await claim('a')).toBe(true);
        await queries.insert(newGrant({ id: 'by-owner' }));
        expect(await holder()).toBe('a');
      });

      it('gives nobody an instance whose owner an operator named, not even after that grant was deleted', async () => {
        await queries.insert(newGrant({ id: 'named', role: 'owner' }));
        expect(await claim('a')).toBe(false);
        await queries.delete('named', NOW);
        expect(await claim('a')).toBe(false);
        expect((await queries.ownersEver('counter', 'main')).map(({ id }) => id)).toEqual(['named']);
        expect(await queries.ownersEver('counter', 'side')).toEqual([]);
      });

      it('gives nothing to a claim under an id that is taken', async () => {
        await queries.insert(newGrant({ id: 'a', instanceId: 'side' }));
        expect(await claim('a')).toBe(false);
        expect(await holder()).toBeUndefined();
        expect(await told()).toEqual([]);
      });

      it('holds one subject to its bound when it claims twenty instances at once', async () => {
        const won = await Promise.all(
          Array.from({ length: 20 }, (_, index) => claim(`claim-${index}`, { instanceId: `i${index}` })),
        );
        expect(won.filter(Boolean)).toHaveLength(MAX);
        expect(await queries.countClaims(ALICE)).toBe(MAX);
        expect(await claim('other', { instanceId: 'other', subject: 'auth0:people.test:bob' })).toBe(true);
        await queries.delete(`claim-${won.indexOf(true)}`, NOW);
        expect(await claim('again', { instanceId: 'again' })).toBe(true);
        expect(await claim('too-many', { instanceId: 'too-many' })).toBe(false);
      });

      it('counts neither deleted claims nor grants that others gave', async () => {
        await claim('a', { instanceId: 'one' });
        await queries.insert(newGrant({ id: 'given' }));
        await claim('b', { instanceId: 'two' });
        await queries.delete('b', NOW);
        expect(await queries.countClaims(ALICE)).toBe(1);
        expect(await queries.countClaims('auth0:people.test:bob')).toBe(0);
      });

      it('keeps an instance closed whose claim was deleted', async () => {
        await claim('a');
        await queries.delete('a', NOW);
        expect(await claim('b', { subject: 'auth0:people.test:bob' })).toBe(false);
        expect(await holder()).toBe('a');
      });

      it('frees an instance whose deletion is over, and deletes every grant of before on it and no other', async () => {
        const deletion = { id: 'deletion', agent: 'counter', instance: 'main', before: NOW };
        const { control } = databases;
        const { liftedAt: _lifted, ...closed } = lock({ id: deletion.id });
        await lockQueries(control).insert(closed, {
          id: deletion.id,
          command: '{}',
          before: NOW,
          dueAt: NOW,
        });
        await claim('a');
        await queries.insert(newGrant({ id: 'given' }));
        await queries.insert(newGrant({ id: 'later', createdAt: NOW + 1 }));
        await queries.insert(newGrant({ id: 'everywhere', instanceId: '*' }));
        await queries.insert(newGrant({ id: 'elsewhere', agentSlug: 'lobby' }));
        await deletionQueries(control).finish(deletion, NOW);
        const standing = await queries.list({ now: NOW }, undefined, 50);
        expect(standing.map(({ id }) => id)).toEqual(['later', 'everywhere', 'elsewhere']);
        expect(await lockQueries(control).find(deletion.id)).toBeUndefined();
        expect(await outboxQueries(control).count()).toBe(0);
        expect(await holder()).toBeUndefined();
        expect(await claim('b', { subject: 'auth0:people.test:bob' })).toBe(true);
      });

      it('frees an instance whose claim nobody opened in time', async () => {
        await claim('a');
        expect(await queries.dropLapsed('a', NOW)).toBe(false);
        expect(await queries.dropLapsed('a', NOW + 1)).toBe(true);
        expect(await queries.dropLapsed('a', NOW + 1)).toBe(false);
        expect(await queries.find('a')).toBeUndefined();
        expect(await claim('b', { subject: 'auth0:people.test:bob' })).toBe(true);
      });

      it('never takes a claim away that was opened, that was deleted, or that is a plain grant', async () => {
        await claim('opened', { instanceId: 'one' });
        await queries.noteOpened('opened', NOW);
        await claim('deleted', { instanceId: 'two' });
        await queries.delete('deleted', NOW);
        await queries.insert(newGrant({ id: 'given' }));
        for (const id of ['opened', 'deleted', 'given', 'unknown'])
          expect(await queries.dropLapsed(id, NOW + MINUTE)).toBe(false);
        expect(await claimOf('two')).toMatchObject({ id: 'deleted', deletedAt: NOW });
      });

      it('notes the first opening only', async () => {
        await claim('a');
        await queries.noteOpened('a', NOW + 1);
        await queries.noteOpened('a', NOW + 2);
        expect((await queries.find('a'))?.openedAt).toBe(NOW + 1);
      });
    });
  });
}
