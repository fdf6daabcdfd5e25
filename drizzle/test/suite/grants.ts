import { beforeEach, describe, expect, it } from 'vitest';
import type { Change } from '../../control/change.ts';
import type { NewGrant } from '../../control/grants.ts';
import { grants } from '../../control/schema.ts';
import type { Databases, OpenDatabases } from './databases.ts';
import { ALICE, auditEvent, BOB, grant, MINUTE, NOW, newGrant, newRevocation, uuidOf } from './rows.ts';

export function describeGrants(open: OpenDatabases): void {
  describe('grants', () => {
    let databases: Databases;
    let control: Databases['control'];
    let queries: Databases['control']['grants'];
    beforeEach(async () => {
      databases = await open();
      control = databases.control;
      queries = control.grants;
    });
    let changes = 0;
    /** Whether a change applied. */
    const change = async (statement: Change['statement'], before: Change['before'] = []) => {
      changes += 1;
      const event = auditEvent({ eventId: uuidOf(changes), type: 'grant.created' });
      return (await control.change({ before, statement, event, dueAt: NOW })) !== undefined;
    };
    const insert = (differs: Partial<NewGrant> = {}) => change(queries.insert(newGrant(differs)));
    const remove = (id: string) => change(queries.delete(id, NOW));
    const allRows = () => databases.controlDb.select().from(grants);

    it('finds a grant as it was made', async () => {
      await insert();
      expect(await queries.find('grant-1')).toEqual(grant());
      expect(await queries.find('grant-2')).toBeUndefined();
    });

    it('refuses a second grant under one id aloud', async () => {
      await insert();
      await expect(insert({ role: 'owner' })).rejects.toThrow();
      expect(await allRows()).toEqual([grant()]);
    });

    it('makes no grant twice, however many try at once, and names the one that there is', async () => {
      const ids = Array.from({ length: 20 }, (_, index) => `grant-${index}`);
      const made = await Promise.all(ids.map((id) => insert({ id })));
      expect(made.filter(Boolean)).toHaveLength(1);
      const [first, ...more] = await allRows();
      expect(more).toEqual([]);
      expect((await queries.findSame(newGrant({ id: 'again', reason: 'again' })))?.id).toBe(first?.id);
    });

    it.each([
      ['subject', { subject: BOB }],
      ['agent', { agentSlug: 'lobby' }],
      ['instance', { instanceId: '*' }],
      ['role', { role: 'owner' }],
    ])('of another %s is another grant', async (_what, differs) => {
      await insert();
      expect(await queries.findSame(newGrant(differs))).toBeUndefined();
      expect(await insert({ id: 'grant-2', ...differs })).toBe(true);
    });

    it('makes a grant again that was deleted, or that has ended', async () => {
      await insert();
      await remove('grant-1');
      expect(await insert({ id: 'grant-2', expiresAt: NOW })).toBe(true);
      const again = newGrant({ id: 'grant-3' });
      expect(
        await change(queries.insert(again), [queries.replaceEnded({ ...again, createdAt: NOW - 1 })]),
      ).toBe(false);
      expect(await change(queries.insert(again), [queries.replaceEnded(again)])).toBe(true);
      expect((await allRows()).map(({ id, deletedAt }) => [id, deletedAt])).toEqual([
        ...[
          ['grant-1', NOW],
          ['grant-2', NOW],
          ['grant-3', null],
        ],
      ]);
    });

    it('deletes grants that ended before a moment, the first ones first, as of their end', async () => {
      for (const [id, ends] of [
        ['a', NOW - 2],
        ['b', NOW - 3],
        ['c', NOW - 1],
        ['d', NOW],
      ] as const)
        await insert({ id, subject: id, expiresAt: ends });
      await insert();
      expect([
        await queries.retire(NOW, 2),
        await queries.retire(NOW, 2),
        await queries.retire(NOW, 2),
      ]).toEqual([...[2, 1, 0]]);
      const gone = (await allRows()).filter(({ deletedAt }) => deletedAt !== null);
      expect(gone.map(({ id, expiresAt, deletedAt }) => [id, deletedAt === expiresAt])).toEqual([
        ...['a', 'b', 'c'].map((id) => [id, true]),
      ]);
    });

    it('holds an instance to a number of grants, however many are made at once', async () => {
      const most = 3;
      const made = await Promise.all(
        Array.from({ length: 10 }, (_, index) =>
          change(queries.insert(newGrant({ id: `grant-${index}`, subject: `user-${index}` }), most)),
        ),
      );
      expect(made.filter(Boolean)).toHaveLength(most);
      const other = (differs: Partial<NewGrant>) => change(queries.insert(newGrant(differs), most));
      expect(await other({ id: 'elsewhere', instanceId: 'side' })).toBe(true);
      await remove(`grant-${made.indexOf(true)}`);
      expect([await other({ id: 'again' }), await other({ id: 'more', subject: BOB })]).toEqual([
        true,
        false,
      ]);
      expect(await insert({ id: 'by-operator', subject: BOB })).toBe(true);
    });

    it('forgets grants that were deleted before a moment, but no owner', async () => {
      for (const [id, role] of [
        ['a', 'viewer'],
        ['b', 'admin'],
        ['c', 'owner'],
      ] as const) {
        await insert({ id, role });
        await remove(id);
      }
      await insert({ id: 'kept' });
      expect(await queries.purge(NOW, 9)).toBe(0);
      expect([await queries.purge(NOW + 1, 1), await queries.purge(NOW + 1, 9)]).toEqual([1, 1]);
      expect((await allRows()).map(({ id }) => id).sort()).toEqual(['c', 'kept']);
    });

    it('finds a grant that ended, but none that was deleted', async () => {
      await insert({ expiresAt: NOW - 1 });
      expect(await queries.find('grant-1')).toBeDefined();
      await remove('grant-1');
      expect(await queries.find('grant-1')).toBeUndefined();
    });

    it('deletes a grant once, and keeps its row', async () => {
      await insert();
      const answers = await Promise.all([remove('grant-1'), remove('grant-1')]);
      expect(answers.filter(Boolean)).toHaveLength(1);
      expect(await allRows()).toEqual([grant({ deletedAt: NOW })]);
      expect(await remove('grant-2')).toBe(false);
    });

    describe('listing', () => {
      const list = async (filter: { agent?: string; instance?: string; subject?: string } = {}) =>
        (await queries.list({ ...filter, now: NOW }, undefined, 50)).rows.map(({ id }) => id);

      /** Each for a subject of its own. */
      const insertFor = (differs: Partial<NewGrant> & { readonly id: string }) =>
        insert({ subject: `user-${differs.id}`, ...differs });

      it('lists grants in force, newest first and those of one moment by id', async () => {
        await insertFor({ id: 'a', createdAt: NOW - 1 });
        await insertFor({ id: 'b' });
        await insertFor({ id: 'c' });
        await insertFor({ id: 'ends-later', createdAt: NOW - 2, expiresAt: NOW + 1 });
        await insertFor({ id: 'ends-now', expiresAt: NOW });
        await insertFor({ id: 'deleted' });
        await remove('deleted');
        expect(await list()).toEqual(['c', 'b', 'a', 'ends-later']);
      });

      it('lists by agent, instance, subject and by all of them', async () => {
        await insert({ id: 'a' });
        await insert({ id: 'b', agentSlug: 'lobby' });
        await insert({ id: 'c', instanceId: '*' });
        await insert({ id: 'd', subject: 'email:*@people.test' });
        expect(await list({ agent: 'counter' })).toEqual(['d', 'c', 'a']);
        expect(await list({ instance: 'main' })).toEqual(['d', 'b', 'a']);
        expect(await list({ instance: '*' })).toEqual(['c']);
        expect(await list({ subject: ALICE })).toEqual(['c', 'b', 'a']);
        expect(await list({ agent: 'counter', instance: 'main', subject: ALICE })).toEqual(['a']);
        expect(await list({ agent: 'nobody' })).toEqual([]);
      });

      it('gives every grant on exactly one page, also when a newer one comes in between', async () => {
        for (const [index, id] of ['a', 'b', 'c', 'd', 'e'].entries())
          await insertFor({ id, createdAt: NOW + Math.floor(index / 2) });
        const seen: string[] = [];
        let after: { id: string; createdAt: number } | undefined;
        for (;;) {
          const { rows: page } = await queries.list({ now: NOW }, after, 2);
          const last = page.at(-1);
          if (last === undefined) break;
          seen.push(...page.map(({ id }) => id));
          if (after === undefined) await insertFor({ id: 'newer', createdAt: NOW + MINUTE });
          after = last;
        }
        expect(seen).toEqual(['e', 'd', 'c', 'b', 'a']);
      });

      it('says whether any of some subjects has a grant that has not ended', async () => {
        const staff = 'group:auth0:people.test:staff';
        await insert({ id: 'a', agentSlug: 'lobby' });
        await insert({ id: 'b', subject: staff, instanceId: '*' });
        await insert({ id: 'ended', subject: BOB, expiresAt: NOW });
        await insert({ id: 'deleted', subject: 'auth0:people.test:carol' });
        await remove('deleted');
        const any = (...subjects: string[]) => queries.anyOf(subjects, NOW);
        expect([await any(ALICE, staff), await any(staff), await any('nobody', ALICE)]).toEqual([
          ...[true, true, true],
        ]);
        expect([
          await any(BOB),
          await any('auth0:people.test:carol'),
          await any('nobody'),
          await any(),
        ]).toEqual([...[false, false, false, false]]);
      });

      it('says so for a principal in two hundred groups', async () => {
        const groups = Array.from({ length: 200 }, (_, index) => `group:auth0:people.test:g${index}`);
        await insert({ subject: 'group:auth0:people.test:g199' });
        expect(await queries.anyOf([ALICE, ...groups], NOW)).toBe(true);
      });
    });

    describe('first users', () => {
      const MAX = 3;
      const claim = async (id: string, differs: Partial<NewGrant> = {}, claimsSince = 0) =>
        (await control.change({
          statement: queries.claim(newGrant({ id, role: 'owner', ...differs }), MAX, claimsSince),
          event: auditEvent({ eventId: `event-${id}`, type: 'grant.created' }),
          dueAt: NOW,
        })) !== undefined;
      const events = async () =>
        (await control.outbox.due(NOW, 50)).map(({ id }) => id).filter((id) => id.startsWith('event-'));
      const policyOf = (
        at: { agent: string; instance: string },
        claimsSince = 0,
        principal: string = ALICE,
      ) => control.readPolicy({ principal, subjects: [], at, targets: [], claimsSince, now: NOW });
      const ownersOf = async (instance: string) => (await policyOf({ agent: 'counter', instance })).owners;
      const countClaims = async (principal: string = ALICE, claimsSince = 0) =>
        (await policyOf({ agent: 'counter', instance: 'main' }, claimsSince, principal)).claims;
      const claimOf = async (instance: string) => (await ownersOf(instance)).find(({ claimed }) => claimed);
      const holder = async () => (await claimOf('main'))?.id;
      const dropLapsed = (id: string, before: number) => change(queries.dropLapsed(id, before));

      it('gives an instance to the first that claims it, as an ordinary grant', async () => {
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
        expect(await events()).toEqual([`event-claim-${won.indexOf(true)}`]);
      });

      it('keeps instances and agents apart', async () => {
        expect(await claim('a')).toBe(true);
        expect(await claim('b', { instanceId: 'side' })).toBe(true);
        expect(await claim('c', { agentSlug: 'chat' })).toBe(true);
      });

      it('is not in the way of lesser grants by owners and operators', async () => {
        await insert({ id: 'by-operator' });
        expect(await claim('a')).toBe(true);
        await insert({ id: 'by-owner' });
        expect(await holder()).toBe('a');
      });

      it('gives nobody an instance whose owner an operator named, not even after that grant was deleted', async () => {
        await insert({ id: 'named', role: 'owner' });
        expect(await claim('a')).toBe(false);
        await remove('named');
        expect(await claim('a')).toBe(false);
        expect((await ownersOf('main')).map(({ id }) => id)).toEqual(['named']);
        expect(await ownersOf('side')).toEqual([]);
      });

      it('gives nothing to a claim under an id that is taken', async () => {
        await insert({ id: 'a', instanceId: 'side' });
        expect(await claim('a')).toBe(false);
        expect(await holder()).toBeUndefined();
        expect(await events()).toEqual([]);
      });

      it('holds one subject to its bound when it claims twenty instances at once', async () => {
        const won = await Promise.all(
          Array.from({ length: 20 }, (_, index) => claim(`claim-${index}`, { instanceId: `i${index}` })),
        );
        expect(won.filter(Boolean)).toHaveLength(MAX);
        expect(await countClaims()).toBe(MAX);
        expect(await claim('other', { instanceId: 'other', subject: BOB })).toBe(true);
        await remove(`claim-${won.indexOf(true)}`);
        expect(await claim('again', { instanceId: 'again' })).toBe(true);
        expect(await claim('too-many', { instanceId: 'too-many' })).toBe(false);
      });

      it('counts neither deleted claims nor grants that others gave', async () => {
        await claim('a', { instanceId: 'one' });
        await insert({ id: 'given' });
        await claim('b', { instanceId: 'two' });
        await remove('b');
        expect(await countClaims()).toBe(1);
        expect(await countClaims(BOB)).toBe(0);
      });

      it('keeps an instance closed whose claim was deleted', async () => {
        await claim('a');
        await remove('a');
        expect(await claim('b', { subject: BOB })).toBe(false);
        expect(await holder()).toBe('a');
      });

      it('counts no lapsed claim that nobody opened, and holds nobody to one', async () => {
        const since = NOW + 10;
        for (const [id, createdAt] of [
          ['lapsed', since - 1],
          ['opened', since - 1],
          ['at', since],
        ] as const)
          await claim(id, { instanceId: id, createdAt });
        expect(await countClaims(ALICE, since)).toBe(1);
        await queries.noteOpened('opened', since);
        expect(await countClaims(ALICE, since)).toBe(2);
        expect(await countClaims(ALICE, 0)).toBe(3);
        expect(await claim('new', { instanceId: 'new', createdAt: since }, 0)).toBe(false);
        expect(await claim('new', { instanceId: 'new', createdAt: since }, since)).toBe(true);
        expect(await countClaims(ALICE, since)).toBe(3);
        expect(await claim('more', { instanceId: 'more', createdAt: since }, since)).toBe(false);
      });

      it('frees an instance whose deletion is over, and deletes every grant of before on it and no other', async () => {
        const deletion = {
          ...{ agent: 'counter', instance: 'main', id: 'before instance:counter/main', lock: 'lock-1' },
          before: NOW,
        };
        const row = await control.change({
          event: auditEvent({ eventId: uuidOf(7000), type: 'agent.deleted' }),
          revocations: [newRevocation({ target: 'instance:counter/main' })],
          command: { op: 'destroy', ...deletion },
          dueAt: NOW,
        });
        await claim('a');
        await insert({ id: 'given' });
        await insert({ id: 'later', subject: BOB, createdAt: NOW + 1 });
        await insert({ id: 'everywhere', instanceId: '*' });
        await insert({ id: 'elsewhere', agentSlug: 'lobby' });
        await control.finishDeletion(row?.id ?? '', { op: 'destroy', ...deletion }, NOW);
        const { rows: left } = await queries.list({ now: NOW }, undefined, 50);
        expect(left.map(({ id }) => id)).toEqual(['later', 'everywhere', 'elsewhere']);
        expect((await control.revocations.listLocks(NOW, undefined, 9)).rows).toEqual([]);
        expect((await control.outbox.due(NOW, 50)).map(({ id }) => id)).not.toContain(uuidOf(7000));
        expect(await holder()).toBeUndefined();
        expect(await claim('b', { subject: BOB })).toBe(true);
      });

      it('frees an instance whose claim nobody opened in time', async () => {
        await claim('a');
        expect(await dropLapsed('a', NOW)).toBe(false);
        expect(await dropLapsed('a', NOW + 1)).toBe(true);
        expect(await dropLapsed('a', NOW + 1)).toBe(false);
        expect(await queries.find('a')).toBeUndefined();
        expect(await claim('b', { subject: BOB })).toBe(true);
      });

      it('never takes a claim away that was opened, that was deleted, or that is a plain grant', async () => {
        await claim('opened', { instanceId: 'one' });
        await queries.noteOpened('opened', NOW);
        await claim('deleted', { instanceId: 'two' });
        await remove('deleted');
        await insert({ id: 'given' });
        for (const id of ['opened', 'deleted', 'given', 'unknown'])
          expect(await dropLapsed(id, NOW + MINUTE)).toBe(false);
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
