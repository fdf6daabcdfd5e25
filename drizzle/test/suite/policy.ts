import { beforeEach, describe, expect, it } from 'vitest';
import type { RevocationRow } from '../../control/change.ts';
import type { GrantRow, PolicyQuestion } from '../../control/policy.ts';
import { grants, principals, revocations } from '../../control/schema.ts';
import type { Databases, OpenDatabases } from './databases.ts';
import { ALICE, auditEvent, BOB, grant, MINUTE, NOW, newRevocation, revocationRow, uuidOf } from './rows.ts';

const QUESTION: PolicyQuestion = {
  principal: ALICE,
  subjects: [ALICE],
  at: { agent: 'counter', instance: 'main' },
  targets: ['everything:', `principal:${ALICE}`, 'agent:counter', 'instance:counter/main'],
  claimsSince: NOW,
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

const REVOCATIONS: readonly [what: string, differs: Partial<RevocationRow>, read: boolean][] = [
  ['on everything', { target: 'everything:' }, true],
  ['on the principal', { target: `principal:${ALICE}` }, true],
  ['on the agent', {}, true],
  ['on the instance', { target: 'instance:counter/main' }, true],
  ['that ends later', { until: NOW + 1 }, true],
  ['of another code', { code: 'rights_changed' }, true],
  ['on another principal', { target: 'principal:auth0:people.test:mallory' }, false],
  ['on another agent', { target: 'agent:lobby' }, false],
  ['on another instance', { target: 'instance:counter/side' }, false],
  ['on the target in another case', { target: 'agent:COUNTER' }, false],
  ['that ends now', { until: NOW }, false],
  ['that ended, or was lifted', { until: NOW - 1 }, false],
  ['of tickets from before', { kind: 'before' }, false],
];

export function describePolicy(open: OpenDatabases): void {
  describe('policy', () => {
    let databases: Databases;
    let control: Databases['control'];
    beforeEach(async () => {
      databases = await open();
      control = databases.control;
    });
    const insertGrant = async (row: GrantRow) => {
      await databases.controlDb.insert(grants).values(row);
    };
    const revoke = async (row: RevocationRow) => {
      await databases.controlDb.insert(revocations).values(row);
    };
    const idsRead = async (question: PolicyQuestion = QUESTION) => {
      const read = await control.readPolicy(question);
      return {
        grants: read.grants.map(({ id }) => id).sort(),
        revocations: read.revocations.map(({ id }) => id).sort(),
      };
    };

    it.each(GRANTS)('knows whether to read a grant %s', async (_what, differs, read) => {
      await insertGrant(grant(differs));
      expect(await control.readPolicy(QUESTION)).toMatchObject({
        ...{ grants: read ? [grant(differs)] : [], revocations: [], owners: [], rev: 0 },
      });
    });

    it.each(REVOCATIONS)('knows whether to read a revocation %s', async (_what, differs, read) => {
      await revoke(revocationRow(differs));
      const { grants: named, revocations: found, rev } = await control.readPolicy(QUESTION);
      expect({ named, found, rev }).toEqual({
        named: [],
        found: read ? [revocationRow(differs)] : [],
        rev: 1,
      });
    });

    it('reads every grant of every subject and every revocation in force together', async () => {
      const group = 'group:auth0:people.test:staff';
      for (const [id, subject, instanceId] of [
        ['a', ALICE, 'main'],
        ['b', group, '*'],
        ['c', group, 'side'],
        ['d', 'email:alice@people.test', 'main'],
      ] as const)
        await insertGrant(grant({ id, subject, instanceId }));
      for (const [index, [id, target]] of (
        [
          ['x', 'everything:'],
          ['y', 'agent:counter'],
          ['z', 'agent:lobby'],
        ] as const
      ).entries())
        await revoke(revocationRow({ id, target, rev: index + 1 }));
      const read = await idsRead({ ...QUESTION, subjects: [ALICE, group] });
      expect(read).toEqual({ grants: ['a', 'b'], revocations: ['x', 'y'] });
    });

    it('reads all grants of one subject, so that the highest role can win', async () => {
      await insertGrant(grant({ id: 'a', role: 'viewer', expiresAt: NOW + 1 }));
      await insertGrant(grant({ id: 'b', role: 'owner' }));
      expect((await idsRead()).grants).toEqual(['a', 'b']);
    });

    it('reads the same whatever the order and number of subjects and targets in the question', async () => {
      await insertGrant(grant({ id: 'a' }));
      await insertGrant(grant({ id: 'b', subject: 'group:auth0:people.test:staff' }));
      await revoke(revocationRow());
      const subjects = [ALICE, 'group:auth0:people.test:staff', 'email:alice@people.test'];
      const turned = {
        ...QUESTION,
        subjects: [...subjects, ...subjects].reverse(),
        targets: [...QUESTION.targets, ...QUESTION.targets].reverse(),
      };
      expect(await idsRead(turned)).toEqual(await idsRead({ ...QUESTION, subjects }));
    });

    it('reads nothing for nobody', async () => {
      await insertGrant(grant());
      await revoke(revocationRow());
      expect(await control.readPolicy({ ...QUESTION, principal: BOB, subjects: [], targets: [] })).toEqual({
        ...{ grants: [], revocations: [], rev: 1, signedOut: undefined, owners: [], claims: 0 },
      });
    });

    it('reads the grants of a principal in two hundred groups', async () => {
      const groups = Array.from({ length: 200 }, (_, index) => `group:auth0:people.test:g${index}`);
      await insertGrant(grant({ id: 'last', subject: 'group:auth0:people.test:g199' }));
      expect((await idsRead({ ...QUESTION, subjects: [ALICE, ...groups] })).grants).toEqual(['last']);
    });

    it('reads two owners that the instance ever had, and none of another instance', async () => {
      await insertGrant(grant({ id: 'a', role: 'owner', deletedAt: NOW }));
      await insertGrant(grant({ id: 'b', role: 'owner', subject: BOB, expiresAt: NOW - 1 }));
      await insertGrant(grant({ id: 'c', role: 'owner', instanceId: 'side' }));
      await insertGrant(grant({ id: 'd', role: 'owner', instanceId: '*' }));
      await insertGrant(grant({ id: 'e', role: 'owner', agentSlug: 'lobby' }));
      await insertGrant(grant({ id: 'f' }));
      const { owners } = await control.readPolicy(QUESTION);
      expect(owners.map(({ id }) => id).sort()).toEqual(['a', 'b']);
    });

    it('counts the claims of the principal, and no lapsed, deleted or given one', async () => {
      const claimed = { claimed: true, role: 'owner' };
      await insertGrant(grant({ ...claimed, id: 'a', instanceId: 'a' }));
      await insertGrant(
        grant({ ...claimed, id: 'opened', instanceId: 'b', createdAt: NOW - 1, openedAt: NOW - 1 }),
      );
      await insertGrant(grant({ ...claimed, id: 'lapsed', instanceId: 'c', createdAt: NOW - 1 }));
      await insertGrant(grant({ ...claimed, id: 'deleted', instanceId: 'd', deletedAt: NOW }));
      await insertGrant(grant({ ...claimed, id: 'other', instanceId: 'e', subject: BOB }));
      await insertGrant(grant({ id: 'given', instanceId: 'f' }));
      expect((await control.readPolicy(QUESTION)).claims).toBe(2);
      expect((await control.readPolicy({ ...QUESTION, claimsSince: NOW + 1 })).claims).toBe(1);
      expect((await control.readPolicy({ ...QUESTION, principal: BOB })).claims).toBe(1);
    });

    it('reads when the principal signed out, and nobody else', async () => {
      await databases.controlDb
        .insert(principals)
        .values({ id: ALICE, tokensBefore: NOW, loginsBefore: null, keptUntil: NOW + MINUTE });
      const times = async (principal: string) =>
        (await control.readPolicy({ ...QUESTION, principal })).signedOut;
      expect(await times(ALICE)).toEqual({ tokensBefore: NOW, loginsBefore: null });
      expect(await times(BOB)).toBeUndefined();
    });

    it('is of one moment: no number without the change that it numbers', async () => {
      const lockAndDrop = (name: number) =>
        control.change({
          before: [control.grants.delete(`grant-${name}`, NOW)],
          event: auditEvent({ eventId: uuidOf(name) }),
          revocations: [newRevocation({ id: `row-${name}`, target: `principal:subject-${name}` })],
          dueAt: NOW,
        });
      const COUNT = 10;
      const subjects = Array.from({ length: COUNT }, (_, index) => `subject-${index + 1}`);
      const targets = subjects.map((subject) => `principal:${subject}`);
      for (let name = 1; name <= COUNT; name += 1)
        await insertGrant(grant({ id: `grant-${name}`, subject: `subject-${name}` }));
      const reads: Promise<unknown>[] = [];
      for (let name = 1; name <= COUNT; name += 1)
        reads.push(
          lockAndDrop(name),
          control.readPolicy({ ...QUESTION, subjects, targets }).then((read) => {
            expect(read.revocations).toHaveLength(read.rev);
            expect(read.grants).toHaveLength(COUNT - read.rev);
          }),
        );
      await Promise.all(reads);
      expect((await control.readPolicy(QUESTION)).rev).toBe(COUNT);
    });
  });
}
