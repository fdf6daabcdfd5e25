import type { AuditEvent } from '@agent-ticket/shared/audit-event.ts';
import type { Revocable, Revocation } from '@agent-ticket/shared/revocation.ts';
import { asc } from 'drizzle-orm';
import { beforeEach, describe, expect, it } from 'vitest';
import type { RecordFact, RevokedSession } from '../../record/deliver.ts';
import { agentSessions, auditEvents, sessionParties } from '../../record/schema.ts';
import { type Databases, type OpenDatabases, rootMessage } from './databases.ts';
import {
  ALICE,
  AUDIENCE,
  auditEvent,
  KID,
  keepCopy,
  MINUTE,
  NOW,
  revocation,
  sessionFact,
  uuidOf,
} from './rows.ts';

const ROBOT = 'auth0:people.test:robot';

/** What a revocation of session 2 can be about. */
const namesOf = (name: number, kid: string): string[] => [
  'everything:',
  'agent:counter',
  'instance:counter/main',
  `principal:${ALICE}`,
  `principal:${ROBOT}`,
  `key:${kid}`,
  `session:${uuidOf(name)}`,
];
const TARGETS = namesOf(2, KID);

const factOf = (type: AuditEvent['type'], name: number, { rev = 7, kid = KID } = {}): RecordFact => ({
  event: auditEvent({ eventId: uuidOf(name), type }),
  session: sessionFact({ id: uuidOf(name), kid, rev, parties: [ROBOT] }),
  revocable: { names: namesOf(name, kid), rev } satisfies Revocable,
});
const opened = (name: number): RecordFact => factOf('session.opened', name);
/** Of an event after which the session has no rights, or none that are new. */
const mentioned = (type: AuditEvent['type'], name: number): RecordFact => ({
  event: auditEvent({ eventId: uuidOf(name), type }),
  session: sessionFact({ id: uuidOf(name) }),
});
const locked = (name: number): RevokedSession => ({ id: uuidOf(name), why: 'locked' });
const changed = (name: number): RevokedSession => ({ id: uuidOf(name), why: 'rights_changed' });
const closed = (name: number): RecordFact => ({
  event: auditEvent({ eventId: uuidOf(name + 1000), type: 'session.closed' }),
  session: sessionFact({ id: uuidOf(name), endedAt: NOW + 1, endReason: 'client_closed' }),
});
/** As a fact comes out of an object's backlog. What is no number in it comes out as `null`, which no database takes. */
const rested = (fact: RecordFact): RecordFact => JSON.parse(JSON.stringify(fact));
const BAD_EVENT = rested({ event: auditEvent({ eventId: uuidOf(99), at: Number.NaN }) });
const BAD_SESSION = rested({
  event: auditEvent({ eventId: uuidOf(98) }),
  session: sessionFact({ id: uuidOf(98), startedAt: Number.NaN }),
});

export function describeDeliver(open: OpenDatabases): void {
  describe('delivery into the record database', () => {
    let databases: Databases;
    let record: Databases['recordDb'];
    beforeEach(async () => {
      databases = await open();
      record = databases.recordDb;
    });
    const deliver = (facts: readonly RecordFact[], now = NOW) => databases.record.deliver(facts, now);
    const keep = (differs: Partial<Revocation>) => keepCopy(record, revocation(differs));
    const types = async () =>
      (await record.select().from(auditEvents).orderBy(asc(auditEvents.seq))).map(({ type }) => type);
    const ends = async () =>
      (await record.select().from(agentSessions).orderBy(asc(agentSessions.id))).map(
        ({ endReason }) => endReason,
      );

    it('writes events in order, and what they made of their sessions', async () => {
      await deliver([opened(1), opened(2), closed(1), { event: auditEvent({ eventId: uuidOf(5) }) }]);
      expect(await types()).toEqual(['session.opened', 'session.opened', 'session.closed', 'ticket.issued']);
      expect(await ends()).toEqual(['client_closed', null]);
    });

    it('changes nothing when a whole delivery is repeated', async () => {
      const facts = [opened(1), closed(1), opened(2)];
      await deliver(facts);
      const before = [await record.select().from(auditEvents), await record.select().from(agentSessions)];
      await deliver(facts);
      expect([await record.select().from(auditEvents), await record.select().from(agentSessions)]).toEqual(
        before,
      );
    });

    it.each([
      ['event first', [BAD_EVENT, opened(1), opened(2)]],
      ['event in the middle', [opened(1), BAD_EVENT, opened(2)]],
      ['event last', [opened(1), opened(2), BAD_EVENT]],
      ['session', [opened(1), BAD_SESSION]],
    ])('writes nothing of a delivery with one bad %s', async (_where, facts) => {
      const error = await deliver(facts).catch((thrown: unknown) => thrown);
      expect(rootMessage(error)).toMatch(/NOT NULL constraint failed/);
      expect(await types()).toEqual([]);
      expect(await ends()).toEqual([]);
    });

    it('leaves what was there when a later delivery fails', async () => {
      await deliver([opened(1)]);
      await expect(deliver([closed(1), BAD_EVENT])).rejects.toThrow();
      expect(await types()).toEqual(['session.opened']);
      expect(await ends()).toEqual([null]);
    });

    it('takes an empty delivery for done', async () => {
      expect(await deliver([])).toEqual([]);
      expect(await types()).toEqual([]);
    });

    it('takes as many facts as one batch of an object has', async () => {
      await deliver(Array.from({ length: 50 }, (_, name) => opened(name)));
      expect(await types()).toHaveLength(50);
      expect(await ends()).toHaveLength(50);
    });

    it('takes text that was cut in the middle of a character', async () => {
      const cut = 'x🙂'.slice(0, 2);
      const fact = {
        event: auditEvent({ userAgent: cut, details: { method: cut } }),
        session: sessionFact({ userAgent: cut }),
      };
      await deliver([fact]);
      expect(await types()).toEqual(['ticket.issued']);
    });

    it.each(TARGETS)('answers a session that was opened while %s was locked', async (target) => {
      await keep({ target, until: NOW + 1 });
      expect(await deliver([opened(2)])).toEqual([locked(2)]);
      expect(await ends()).toEqual([null]);
    });

    it('answers a session that was renewed while it was locked, and none that was only mentioned', async () => {
      await keep({ target: 'key:key-2' });
      const facts = [
        factOf('session.renewed', 1, { kid: 'key-2' }),
        mentioned('rpc.denied', 2),
        mentioned('session.closed', 3),
      ];
      expect(await deliver(facts)).toEqual([locked(1)]);
    });

    it('returns no session without a matching lock in force', async () => {
      await keep({ id: 'a', target: 'agent:lobby' });
      await keep({ id: 'b', target: `session:${uuidOf(3)}` });
      await keep({ id: 'c', target: 'everything:', until: NOW });
      expect(await deliver([opened(2)])).toEqual([]);
    });

    it('answers each of many sessions by the locks on itself', async () => {
      await keep({ id: 'a', target: `session:${uuidOf(7)}` });
      await keep({ id: 'b', target: `session:${uuidOf(40)}` });
      const facts = Array.from({ length: 50 }, (_, name) => opened(name));
      const mixed = [{ event: auditEvent({ eventId: uuidOf(99) }) }, ...facts, closed(3)];
      expect(await deliver(mixed)).toEqual([locked(7), locked(40)]);
    });

    it('answers a session again when its delivery is repeated, so that a lost answer closes it late and not never', async () => {
      await keep({ target: 'everything:' });
      await deliver([opened(2)]);
      expect(await deliver([opened(2)])).toEqual([locked(2)]);
    });

    it('writes every party of a session', async () => {
      await deliver([opened(2)]);
      expect(await record.select().from(sessionParties)).toEqual([
        { sessionId: uuidOf(2), partyId: ROBOT, startedAt: opened(2).session?.startedAt },
      ]);
    });

    it('misses no revocation that comes at the same time: one of the two sees the other', async () => {
      const row = revocation({
        target: `principal:${ALICE}`,
        kind: 'before',
        rev: 8,
        code: 'rights_changed',
      });
      for (let name = 1; name <= 10; name += 1) {
        databases = await open();
        const event = auditEvent({ eventId: uuidOf(500 + name), type: 'grant.deleted' });
        const [answered, objects] = await Promise.all([
          deliver([opened(name)]),
          databases.record
            .deliverChange(event, [row])
            .then(() => databases.record.revocations.liveObjects(AUDIENCE, row, undefined, 9)),
        ]);
        expect(answered.length + objects.length).toBeGreaterThan(0);
      }
    });

    describe('of sessions whose tickets were decided before a change', () => {
      const before = (target: string) => keep({ target, kind: 'before', rev: 8, code: 'rights_changed' });

      it.each(TARGETS)('answers one that an older ticket of %s has opened', async (target) => {
        await before(target);
        expect(await deliver([factOf('session.opened', 2, { rev: 7 })])).toEqual([changed(2)]);
      });

      it.each(TARGETS)('answers none that a later ticket of %s has opened', async (target) => {
        await before(target);
        expect(await deliver([factOf('session.opened', 2, { rev: 9 })])).toEqual([]);
      });

      it('takes a ticket that knew of the change for a later one', async () => {
        await before('agent:counter');
        expect(await deliver([factOf('session.opened', 2, { rev: 8 })])).toEqual([]);
      });

      it('answers one that such a ticket has renewed, and none that was only mentioned', async () => {
        await before('agent:counter');
        expect(await deliver([factOf('session.renewed', 2)])).toEqual([changed(2)]);
        expect(await deliver([mentioned('rpc.denied', 2)])).toEqual([]);
      });

      it.each([
        'agent:lobby',
        'instance:counter/side',
        'principal:auth0:people.test:bob',
        'grant:grant-1',
        `key:${'q'.repeat(43)}`,
      ])('answers none for a change of %s', async (target) => {
        await before(target);
        expect(await deliver([opened(2)])).toEqual([]);
      });

      it('answers by the lock where there is one too: a principal that is locked out need not come back', async () => {
        await before('agent:counter');
        await keep({ id: 'lock-2', target: 'everything:' });
        expect(await deliver([opened(2)])).toEqual([locked(2)]);
      });

      it('answers late ones too, since a session may come to the record an hour after its ticket', async () => {
        await before('agent:counter');
        expect(await deliver([opened(2)], NOW + 60 * MINUTE)).toEqual([changed(2)]);
      });
    });

    it('answers a session with a party that is locked', async () => {
      await keep({ target: `principal:${ROBOT}` });
      expect(await deliver([opened(2)])).toEqual([locked(2)]);
    });
  });
}
