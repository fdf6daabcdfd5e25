import { beforeEach, describe, expect, it } from 'vitest';
import type { ControlDatabase } from '../../control/database.ts';
import { type GrantRow, type LockRow, type PolicyQuestion, policyQueries } from '../../control/policy.ts';
import type { OpenDatabases } from './databases.ts';
import { ALICE, grant, insertLock, lock, NOW } from './rows.ts';

const QUESTION: PolicyQuestion = {
  subjects: [ALICE],
  agent: 'counter',
  instance: 'main',
  lockTargets: ['everything:', `principal:${ALICE}`, 'agent:counter', 'instance:counter/main'],
  now: NOW,
};

/** The grants that are like `grant()` but for one thing, and whether they bear on {@link QUESTION}. */
const GRANTS: readonly [what: string, differs: Partial<GrantRow>, read: boolean][] = [
  ['of this instance', {}, true],
  ['of every instance', { instanceId: '*' }, true],
  ['that ends later', { expiresAt: NOW + 1 }, true],
  ['of another subject', { subject: 'auth0:people.test:mallory' }, false],
  ['of a subject that begins the same', { subject: `${ALICE}2` }, false],
  ['of the subject in another case', { subject: ALICE.toUpperCase() }, false],
  ['of a subject pattern', { subject: 'auth0:people.test:%' }, false],
  ['of another agent', { agentSlug: 'lobby' }, false],
  ['of every agent, which there is no such thing as', { agentSlug: '*' }, false],
  ['of another instance', { instanceId: 'side' }, false],
  ['of the instance in another case', { instanceId: 'MAIN' }, false],
  ['of an instance pattern', { instanceId: 'ma*' }, false],
  ['that ends now', { expiresAt: NOW }, false],
  ['that ended', { expiresAt: NOW - 1 }, false],
  ['that was deleted', { deletedAt: NOW - 1 }, false],
  ['that a first user claimed', { claimed: true }, true],
];

const LOCKS: readonly [what: string, differs: Partial<LockRow>, read: boolean][] = [
  ['on everything', { target: 'everything:' }, true],
  ['on the principal', { target: `principal:${ALICE}` }, true],
  ['on the agent', {}, true],
  ['on the instance', { target: 'instance:counter/main' }, true],
  ['that ends later', { expiresAt: NOW + 1 }, true],
  ['on another principal', { target: 'principal:auth0:people.test:mallory' }, false],
  ['on another agent', { target: 'agent:lobby' }, false],
  ['on another instance', { target: 'instance:counter/side' }, false],
  ['on the target in another case', { target: 'agent:COUNTER' }, false],
  ['that ends now', { expiresAt: NOW }, false],
  ['that ended', { expiresAt: NOW - 1 }, false],
  ['that was lifted', { liftedAt: NOW - 1 }, false],
  ['that was lifted before its end', { liftedAt: NOW - 1, expiresAt: NOW + 1 }, false],
];

export function describePolicy(open: OpenDatabases): void {
  describe('policy', () => {
    let control: ControlDatabase;
    let policy: ReturnType<typeof policyQueries>;
    beforeEach(async () => {
      control = (await open()).control;
      policy = policyQueries(control);
    });
    const idsRead = async (question: PolicyQuestion = QUESTION) => {
      const { grants, locks } = await policy.read(question);
      return { grants: grants.map(({ id }) => id).sort(), locks: locks.map(({ id }) => id).sort() };
    };

    it.each(GRANTS)('knows whether to read a grant %s', async (_what, differs, read) => {
      await policy.insertGrant(grant(differs));
      expect(await policy.read(QUESTION)).toEqual({ grants: read ? [grant(differs)] : [], locks: [] });
    });

    it.each(LOCKS)('knows whether to read a lock %s', async (_what, differs, read) => {
      await insertLock(control, lock(differs));
      expect(await policy.read(QUESTION)).toEqual({ grants: [], locks: read ? [lock(differs)] : [] });
    });

    it('reads every grant of every subject and every standing lock together', async () => {
      const group = 'group:auth0:people.test:staff';
      for (const [id, subject, instanceId] of [
        ['a', ALICE, 'main'],
        ['b', group, '*'],
        ['c', group, 'side'],
        ['d', 'email:alice@people.test', 'main'],
      ] as const)
        await policy.insertGrant(grant({ id, subject, instanceId }));
      for (const [id, target] of [
        ['x', 'everything:'],
        ['y', 'agent:counter'],
        ['z', 'agent:lobby'],
      ] as const)
        await insertLock(control, lock({ id, target }));
      const read = await idsRead({ ...QUESTION, subjects: [ALICE, group] });
      expect(read).toEqual({ grants: ['a', 'b'], locks: ['x', 'y'] });
    });

    it('reads all grants of one subject, so that the highest role can win', async () => {
      await policy.insertGrant(grant({ id: 'a', role: 'viewer', expiresAt: NOW + 1 }));
      await policy.insertGrant(grant({ id: 'b', role: 'owner' }));
      expect((await idsRead()).grants).toEqual(['a', 'b']);
    });

    it('reads the same whatever the order and number of subjects and targets in the question', async () => {
      await policy.insertGrant(grant({ id: 'a' }));
      await policy.insertGrant(grant({ id: 'b', subject: 'group:auth0:people.test:staff' }));
      await insertLock(control, lock());
      const subjects = [ALICE, 'group:auth0:people.test:staff', 'email:alice@people.test'];
      const turned = {
        ...QUESTION,
        subjects: [...subjects, ...subjects].reverse(),
        lockTargets: [...QUESTION.lockTargets, ...QUESTION.lockTargets].reverse(),
      };
      expect(await idsRead(turned)).toEqual(await idsRead({ ...QUESTION, subjects }));
    });

    it('reads nothing for nobody', async () => {
      await policy.insertGrant(grant());
      await insertLock(control, lock());
      expect(await policy.read({ ...QUESTION, subjects: [], lockTargets: [] })).toEqual({
        grants: [],
        locks: [],
      });
    });

    it('reads the grants of somebody in two hundred groups', async () => {
      const groups = Array.from({ length: 200 }, (_, index) => `group:auth0:people.test:g${index}`);
      await policy.insertGrant(grant({ id: 'last', subject: 'group:auth0:people.test:g199' }));
      expect((await idsRead({ ...QUESTION, subjects: [ALICE, ...groups] })).grants).toEqual(['last']);
    });

    it('leaves a grant as it was when one with its id is added again', async () => {
      await policy.insertGrant(grant());
      await policy.insertGrant(grant({ role: 'owner' }));
      expect((await policy.read(QUESTION)).grants).toEqual([grant()]);
    });

    it('adds one grant when twenty try with its id at once', async () => {
      await Promise.all(
        Array.from({ length: 20 }, (_, index) => policy.insertGrant(grant({ subject: `s${index}` }))),
      );
      const subjects = Array.from({ length: 20 }, (_, index) => `s${index}`);
      expect((await idsRead({ ...QUESTION, subjects })).grants).toEqual(['grant-1']);
    });

    it('refuses a second lock under one id aloud, so that no operator takes it for done', async () => {
      await insertLock(control, lock());
      await expect(insertLock(control, lock({ target: 'everything:' }))).rejects.toThrow();
      expect((await policy.read(QUESTION)).locks).toEqual([lock()]);
    });
  });
}
