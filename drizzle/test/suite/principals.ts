import { beforeEach, describe, expect, it } from 'vitest';
import { change } from '../../control/change.ts';
import type { LabelCursor } from '../../control/principals.ts';
import { grants } from '../../control/schema.ts';
import type { Databases, OpenDatabases } from './databases.ts';
import {
  ALICE,
  addSessions,
  auditEvent,
  BOB,
  grant,
  MINUTE,
  NOW,
  newRevocation,
  sessionFact,
  uuidOf,
} from './rows.ts';

export function describePrincipals(open: OpenDatabases): void {
  describe('labels of principals', () => {
    let databases: Databases;
    let principals: Databases['control']['principals'];
    beforeEach(async () => {
      databases = await open();
      principals = databases.control.principals;
    });
    const see = (id: string, label: string, now = NOW, since = now - MINUTE) =>
      principals.see({ id, label, now, since, keptUntil: now + 10 * MINUTE });
    const all = () => principals.list('', undefined, 50);

    it('are noted with the last sight, once in a while', async () => {
      await see(ALICE, 'alice@people.test');
      await see(ALICE, 'alice@people.test', NOW + MINUTE - 1);
      expect(await all()).toEqual([{ id: ALICE, label: 'alice@people.test', lastSeenAt: NOW }]);
      await see(ALICE, 'alice@people.test', NOW + MINUTE + 1);
      expect(await all()).toEqual([{ id: ALICE, label: 'alice@people.test', lastSeenAt: NOW + MINUTE + 1 }]);
    });

    it.each(['alice@other.test', 'Alice@people.test'])(
      'are replaced at once by another one: %s',
      async (label) => {
        await see(ALICE, 'alice@people.test');
        await see(ALICE, label, NOW + 1);
        expect(await all()).toEqual([{ id: ALICE, label, lastSeenAt: NOW + 1 }]);
      },
    );

    it('and a sign-out keep each other', async () => {
      const out = { id: ALICE, tokensBefore: NOW, loginsBefore: null, keptUntil: NOW + MINUTE };
      const { controlDb } = databases;
      const signOut = (eventId: string) =>
        change(controlDb, {
          ...{ statement: principals.signOut(out), event: auditEvent({ eventId }), dueAt: NOW },
        });
      await signOut(uuidOf(1));
      await see(ALICE, 'alice@people.test');
      const both = { label: 'alice@people.test', lastSeenAt: NOW, tokensBefore: NOW };
      expect(await principals.find(ALICE)).toMatchObject({ ...both, keptUntil: NOW + 10 * MINUTE });
      await signOut(uuidOf(2));
      expect(await principals.find(ALICE)).toMatchObject({ ...both, keptUntil: NOW + 10 * MINUTE });
    });

    it('are found by how they begin, in any case of ASCII letters, page by page', async () => {
      const labels = ['Ada@x.test', 'ada@y.test', 'ADA@z.test', 'adam@x.test', 'Bea@x.test', 'bé', '%'];
      for (const [index, label] of labels.entries()) await see(`auth0:p:${index}`, label);
      await see('auth0:p:twin', 'ada@x.test');
      const found = async (prefix: string) => {
        const seen: string[] = [];
        for (let after: LabelCursor | undefined; ; ) {
          const page = await principals.list(prefix, after, 2);
          after = page.at(-1);
          if (after === undefined) return seen;
          seen.push(...page.map(({ id, label }) => `${id.slice(8)} ${label}`));
        }
      };
      const ada = ['0 Ada@x.test', 'twin ada@x.test', '1 ada@y.test', '2 ADA@z.test'];
      expect(await found('ada')).toEqual([...ada, '3 adam@x.test']);
      expect(await found('ADA@')).toEqual(ada);
      expect(await found('b')).toEqual(['4 Bea@x.test', '5 bé']);
      expect(await found('%')).toEqual(['6 %']);
      expect(await found('')).toHaveLength(8);
      expect(await found('nobody')).toEqual([]);
    });

    it('name every principal that has exactly one of them', async () => {
      await see(BOB, 'desk@people.test');
      await see(ALICE, 'Desk@people.test');
      await see('auth0:people.test:carol', 'desk@people.test2');
      expect(await principals.withLabel('DESK@people.test', 9)).toEqual([ALICE, BOB]);
      expect(await principals.withLabel('desk@people.test', 1)).toEqual([ALICE]);
      expect(await principals.withLabel('desk', 9)).toEqual([]);
    });

    it('are those of the principals that have one', async () => {
      await see(ALICE, 'alice@people.test');
      expect(await principals.labelsOf([ALICE, BOB])).toEqual(new Map([[ALICE, 'alice@people.test']]));
    });

    it('come with the grants and locks in force and the live sessions of each', async () => {
      const { control, controlDb, record } = databases;
      await controlDb
        .insert(grants)
        .values([
          grant({ subject: ALICE }),
          grant({ subject: ALICE, id: 'grant-2', instanceId: 'b', expiresAt: NOW }),
          grant({ subject: ALICE, id: 'grant-3', instanceId: 'c', deletedAt: NOW }),
          grant({ subject: ALICE, id: 'grant-4', instanceId: 'd', expiresAt: NOW + 1 }),
        ]);
      const target = `principal:${ALICE}`;
      const lock = (id: string, differs: object) => newRevocation({ id, target, ...differs });
      await control.change({
        event: auditEvent(),
        revocations: [
          lock('lock-1', {}),
          lock('lock-2', { until: NOW + 1 }),
          lock('lifted', { until: NOW }),
          lock('out', { code: 'rights_changed' }),
          lock('before', { kind: 'before' }),
        ],
        dueAt: NOW,
      });
      const ended = { endedAt: NOW, endReason: 'closed' };
      await addSessions(
        databases,
        ...[1, 2, 3].map((name) => sessionFact({ id: uuidOf(name) })),
        sessionFact({ id: uuidOf(4), ...ended }),
        sessionFact({ id: uuidOf(5), principal: BOB, ...ended }),
      );
      const asked = [ALICE, BOB].map((id) => ({ id, target: `principal:${id}` }));
      expect([...(await control.principals.countsOf(asked, NOW))]).toEqual([
        [ALICE, { grants: 2, locks: 2 }],
        [BOB, { grants: 0, locks: 0 }],
      ]);
      expect([...(await record.sessions.countLive([ALICE, BOB], 2))]).toEqual([
        [ALICE, 2],
        [BOB, 0],
      ]);
    });

    it('are forgotten on demand, some at a time, and sign-outs are not', async () => {
      await see(ALICE, 'alice@people.test');
      await see(BOB, 'bob@people.test');
      expect([await principals.forgetLabels(1), await principals.forgetLabels(9)]).toEqual([1, 1]);
      expect(await all()).toEqual([]);
      expect(await principals.find(ALICE)).toMatchObject({ label: null, lastSeenAt: null });
    });

    it('go with the last session that they may have', async () => {
      await see(ALICE, 'alice@people.test');
      expect(await principals.purge(NOW + 10 * MINUTE - 1, 9)).toBe(0);
      expect(await principals.purge(NOW + 10 * MINUTE, 9)).toBe(1);
    });
  });
}
