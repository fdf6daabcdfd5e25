import { describe, expect, it } from 'vitest';
import type { Change, NewRevocation, OutboxRow } from '../../control/change.ts';
import { dropGrantsOf } from '../../control/grants.ts';
import { grants, revocations } from '../../control/schema.ts';
import { KINDS, type Kind, put } from './change-kinds.ts';
import { controlRows, type Databases, type OpenDatabases, type Write, whileRefusing } from './databases.ts';
import { auditEvent, BOB, grant, MINUTE, NOW, newGrant, newRevocation, uuidOf } from './rows.ts';

const REVOCATIONS: readonly NewRevocation[] = [
  newRevocation(),
  newRevocation({ id: 'before agent:counter', kind: 'before', until: NOW + MINUTE, code: 'rights_changed' }),
];
const COMMAND = { op: 'revoke', ids: REVOCATIONS.map(({ id }) => id) } as const;
const EVENT = auditEvent({ type: 'lock.created' });

const full = (kind: Kind, databases: Databases): Change => ({
  ...kind.make(databases.control, databases),
  event: EVENT,
  revocations: REVOCATIONS,
  command: COMMAND,
  dueAt: NOW + 5,
});
const WAITING: OutboxRow = {
  ...{ id: EVENT.eventId, event: JSON.stringify(EVENT), command: JSON.stringify(COMMAND) },
  ...{ delivered: '[]', attempts: 0, dueAt: NOW + 5 },
};

/** Every table whose rows differ. */
const changedTables = (before: Record<string, unknown[]>, after: Record<string, unknown[]>): string[] =>
  Object.keys(after).filter((table) => JSON.stringify(before[table]) !== JSON.stringify(after[table]));

export function describeChange(open: OpenDatabases): void {
  describe('a change of policy', () => {
    const arranged = async (kind: Kind) => {
      const databases = await open();
      await kind.arrange?.(databases);
      return databases;
    };

    it.each(KINDS)('$what: writes its rows, event, revocations and command', async (kind) => {
      const databases = await arranged(kind);
      const before = await controlRows(databases);
      expect(await databases.control.change(full(kind, databases))).toEqual(WAITING);
      const after = await controlRows(databases);
      expect(after.outbox).toContainEqual(WAITING);
      for (const row of REVOCATIONS) expect(after.revocations).toContainEqual(expect.objectContaining(row));
      const tables = ['outbox', 'revocations', ...kind.writes.map(([, table]) => table)];
      expect(changedTables(before, after).sort()).toEqual([...new Set(tables)].sort());
    });

    it.each(KINDS.filter(({ lost }) => lost !== undefined))(
      '$what: writes nothing where it does not apply',
      async (kind) => {
        const databases = await arranged(kind);
        await kind.lost?.(databases);
        const before = await controlRows(databases);
        expect(await databases.control.change(full(kind, databases))).toBeUndefined();
        expect(await controlRows(databases)).toEqual(before);
      },
    );

    const FAILURES = KINDS.flatMap((kind) => {
      const always = [
        ['INSERT', 'outbox'],
        ['INSERT', 'revocations'],
      ] as const;
      return [...kind.writes, ...always].map(([write, table]) => ({ ...kind, kind, write, table }));
    });
    it.each(FAILURES)('$what: leaves nothing when the $write of $table fails', async (failure) => {
      const databases = await arranged(failure.kind);
      const before = await controlRows(databases);
      const refused = whileRefusing(databases, failure.write, failure.table, () =>
        databases.control.change(full(failure.kind, databases)),
      );
      await expect(refused).rejects.toThrow();
      expect(await controlRows(databases)).toEqual(before);
    });

    it('has no command where live sessions do not change', async () => {
      const { control } = await open();
      const row = await control.change({
        statement: control.grants.insert(newGrant()),
        event: EVENT,
        dueAt: NOW,
      });
      expect(row?.command).toBeNull();
      expect(await control.outbox.due(NOW, 9)).toEqual([row]);
    });

    it('applies once when twenty make the same at once', async () => {
      const databases = await open();
      const { control } = databases;
      await put()(databases);
      const rows = await Promise.all(
        Array.from({ length: 20 }, (_, name) =>
          control.change({
            statement: control.grants.delete('grant-1', NOW),
            event: auditEvent({ eventId: uuidOf(name) }),
            revocations: [newRevocation({ id: `row-${name}` })],
            dueAt: NOW,
          }),
        ),
      );
      expect(rows.filter((row) => row !== undefined)).toHaveLength(1);
      expect(await databases.controlDb.select().from(revocations)).toHaveLength(1);
      expect(await control.outbox.count()).toBe(1);
    });

    it('under the id of an event that waits already is refused aloud, and leaves nothing', async () => {
      const databases = await open();
      const { control } = databases;
      await control.change({ statement: control.grants.insert(newGrant()), event: EVENT, dueAt: NOW });
      const before = await controlRows(databases);
      const again = control.change({
        statement: control.grants.insert(newGrant({ id: 'grant-2', agentSlug: 'lobby' })),
        event: EVENT,
        dueAt: NOW,
      });
      await expect(again).rejects.toThrow();
      expect(await controlRows(databases)).toEqual(before);
    });
  });

  describe('the end of a deletion', () => {
    const DELETION = {
      op: 'destroy',
      agent: 'counter',
      instance: 'main',
      id: 'before instance:counter/main',
      lock: 'lock-1',
      before: NOW,
    } as const;
    const begun = async () => {
      const databases = await open();
      const { control } = databases;
      const row = await control.change({
        event: EVENT,
        revocations: [newRevocation({ target: 'instance:counter/main' })],
        command: DELETION,
        dueAt: NOW,
      });
      await put()(databases);
      return { databases, id: row?.id ?? '' };
    };

    it.each<readonly [Write, string]>([
      ['DELETE', 'grants'],
      ['UPDATE', 'revocations'],
      ['DELETE', 'outbox'],
    ])('changes nothing when the %s of %s fails', async (write, table) => {
      const { databases, id } = await begun();
      const before = await controlRows(databases);
      const refused = whileRefusing(databases, write, table, () =>
        databases.control.finishDeletion(id, DELETION, NOW),
      );
      await expect(refused).rejects.toThrow();
      expect(await controlRows(databases)).toEqual(before);
    });

    it('gives the lift a number of its own, and changes nothing the second time', async () => {
      const { databases, id } = await begun();
      await databases.control.finishDeletion(id, DELETION, NOW + 1);
      const lifted = { ...newRevocation({ target: 'instance:counter/main' }), until: NOW + 1, rev: 2 };
      expect(await databases.controlDb.select().from(revocations)).toEqual([lifted]);
      const after = await controlRows(databases);
      await databases.control.finishDeletion(id, DELETION, NOW + 2);
      expect(await controlRows(databases)).toEqual(after);
    });

    it('drops grants of before on that instance and no others', async () => {
      const { controlDb } = await open();
      const rows = [
        grant({ id: 'at' }),
        grant({ id: 'deleted', role: 'owner', deletedAt: NOW }),
        grant({ id: 'later', subject: BOB, createdAt: NOW + 1 }),
        grant({ id: 'everywhere', instanceId: '*' }),
        grant({ id: 'elsewhere', agentSlug: 'lobby' }),
      ];
      await controlDb.insert(grants).values(rows);
      await controlDb.batch(dropGrantsOf(controlDb, DELETION));
      const left = (await controlDb.select().from(grants)).map(({ id }) => id);
      expect(left.sort()).toEqual(['elsewhere', 'everywhere', 'later']);
    });
  });
}
