import type { AuditEvent } from '@agent-ticket/shared/audit-event.ts';
import { asc } from 'drizzle-orm';
import { beforeEach, describe, expect, it } from 'vitest';
import type { RecordDatabase } from '../../record/database.ts';
import { deliver, type RecordFact, type StoppedSession } from '../../record/deliver.ts';
import { recordLockQueries } from '../../record/locks.ts';
import { recallQueries } from '../../record/recalls.ts';
import { agentSessions, auditEvents } from '../../record/schema.ts';
import { type OpenDatabases, rootMessage } from './databases.ts';
import { ALICE, auditEvent, MINUTE, NOW, sessionFact, uuidOf } from './rows.ts';

const opened = (name: number): RecordFact => ({
  event: auditEvent({ eventId: uuidOf(name), type: 'session.opened' }),
  session: sessionFact({ id: uuidOf(name) }),
});
const locked = (name: number): StoppedSession => ({ id: uuidOf(name), why: 'locked' });
const recalled = (name: number): StoppedSession => ({ id: uuidOf(name), why: 'rights_changed' });
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

/** Everything that a lock on session 2 can be about. */
const TARGETS = [
  'everything:',
  `principal:${sessionFact().principal}`,
  'agent:counter',
  'instance:counter/main',
  `session:${uuidOf(2)}`,
  'key:key-1',
];

const ROBOT = 'auth0:people.test:robot';
/** Whose tickets of which target are recalled, that session 2 has. */
const RECALLS: readonly [target: string, principal?: string][] = [
  ['agent:counter'],
  ['instance:counter/main'],
  ['agent:counter', ALICE],
  ['instance:counter/main', ALICE],
  [`principal:${ALICE}`],
  [`principal:${ROBOT}`],
];

export function describeDeliver(open: OpenDatabases): void {
  describe('delivery into the record database', () => {
    let record: RecordDatabase;
    beforeEach(async () => {
      ({ record } = await open());
    });
    const types = async () =>
      (await record.select().from(auditEvents).orderBy(asc(auditEvents.seq))).map(({ type }) => type);
    const ends = async () =>
      (await record.select().from(agentSessions).orderBy(asc(agentSessions.id))).map(
        ({ endReason }) => endReason,
      );

    it('writes events in order, and what they made of their sessions', async () => {
      await deliver(
        record,
        [opened(1), opened(2), closed(1), { event: auditEvent({ eventId: uuidOf(5) }) }],
        NOW,
      );
      expect(await types()).toEqual(['session.opened', 'session.opened', 'session.closed', 'ticket.issued']);
      expect(await ends()).toEqual(['client_closed', null]);
    });

    it('changes nothing when a whole delivery is repeated', async () => {
      const facts = [opened(1), closed(1), opened(2)];
      await deliver(record, facts, NOW);
      const before = [await record.select().from(auditEvents), await record.select().from(agentSessions)];
      await deliver(record, facts, NOW);
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
      const error = await deliver(record, facts, NOW).catch((thrown: unknown) => thrown);
      expect(rootMessage(error)).toMatch(/NOT NULL constraint failed/);
      expect(await types()).toEqual([]);
      expect(await ends()).toEqual([]);
    });

    it('leaves what was there when a later delivery fails', async () => {
      await deliver(record, [opened(1)], NOW);
      await expect(deliver(record, [closed(1), BAD_EVENT], NOW)).rejects.toThrow();
      expect(await types()).toEqual(['session.opened']);
      expect(await ends()).toEqual([null]);
    });

    it('takes an empty delivery for done', async () => {
      expect(await deliver(record, [], NOW)).toEqual([]);
      expect(await types()).toEqual([]);
    });

    it('takes as many facts as one batch of an object has', async () => {
      await deliver(
        record,
        Array.from({ length: 50 }, (_, name) => opened(name)),
        NOW,
      );
      expect(await types()).toHaveLength(50);
      expect(await ends()).toHaveLength(50);
    });

    it('takes text that was cut in the middle of a character', async () => {
      const cut = 'x🙂'.slice(0, 2);
      const fact = {
        event: auditEvent({ userAgent: cut, details: { method: cut } }),
        session: sessionFact({ userAgent: cut }),
      };
      await deliver(record, [fact], NOW);
      expect(await types()).toEqual(['ticket.issued']);
    });

    it.each(TARGETS)('answers a session that was opened while %s was locked', async (target) => {
      await recordLockQueries(record).set(target, NOW + 1);
      expect(await deliver(record, [opened(2)], NOW)).toEqual([locked(2)]);
      expect(await ends()).toEqual([null]);
    });

    it('answers a session that was renewed while it was locked, and none that was only mentioned', async () => {
      await recordLockQueries(record).set('key:key-2', null);
      const as = (type: AuditEvent['type'], name: number): RecordFact => ({
        event: auditEvent({ eventId: uuidOf(name), type }),
        session: sessionFact({ id: uuidOf(name), kid: 'key-2' }),
      });
      const facts = [as('session.renewed', 1), as('rpc.denied', 2), as('session.closed', 3)];
      expect(await deliver(record, facts, NOW)).toEqual([locked(1)]);
    });

    it('answers no session that no standing lock hits', async () => {
      const locks = recordLockQueries(record);
      await locks.set('agent:lobby', null);
      await locks.set(`session:${uuidOf(3)}`, null);
      await locks.set('everything:', NOW);
      expect(await deliver(record, [opened(2)], NOW)).toEqual([]);
    });

    it('answers each of many sessions by the locks on itself', async () => {
      const locks = recordLockQueries(record);
      await locks.set(`session:${uuidOf(7)}`, null);
      await locks.set(`session:${uuidOf(40)}`, null);
      const facts = Array.from({ length: 50 }, (_, name) => opened(name));
      const mixed = [{ event: auditEvent({ eventId: uuidOf(99) }) }, ...facts, closed(3)];
      expect(await deliver(record, mixed, NOW)).toEqual([locked(7), locked(40)]);
    });

    it('answers a session again when its delivery is repeated, so that a lost answer closes it late and not never', async () => {
      await recordLockQueries(record).set('everything:', null);
      await deliver(record, [opened(2)], NOW);
      expect(await deliver(record, [opened(2)], NOW)).toEqual([locked(2)]);
    });

    describe('of sessions whose tickets were recalled', () => {
      const byTicketOf = (issuedAt: number, type: AuditEvent['type'] = 'session.opened'): RecordFact => ({
        event: auditEvent({ eventId: uuidOf(2), type }),
        session: sessionFact({ id: uuidOf(2), startedAt: NOW + 500, issuedAt, actors: [ROBOT] }),
      });
      const recall = (target: string, principal?: string) =>
        recallQueries(record).set({ target, principal, issuedBy: NOW });

      it.each(RECALLS)(
        'answers one that a ticket of %s %s from before has opened',
        async (target, principal) => {
          await recall(target, principal);
          expect(await deliver(record, [byTicketOf(NOW - 1)], NOW)).toEqual([recalled(2)]);
        },
      );

      it.each(RECALLS)('answers none that a later ticket of %s %s has opened', async (target, principal) => {
        await recall(target, principal);
        expect(await deliver(record, [byTicketOf(NOW + 1)], NOW)).toEqual([]);
      });

      it('takes a ticket of the very moment for one from before', async () => {
        await recall('agent:counter');
        expect(await deliver(record, [byTicketOf(NOW)], NOW)).toEqual([recalled(2)]);
      });

      it('answers one that such a ticket has renewed, and none that was only mentioned', async () => {
        await recall('agent:counter');
        expect(await deliver(record, [byTicketOf(NOW, 'session.renewed')], NOW)).toEqual([recalled(2)]);
        expect(await deliver(record, [byTicketOf(NOW, 'rpc.denied')], NOW)).toEqual([]);
      });

      it.each<[string, string?]>([
        ['agent:lobby'],
        ['instance:counter/side'],
        ['agent:counter', 'auth0:people.test:bob'],
        ['agent:counter', ROBOT],
        ['principal:auth0:people.test:bob'],
      ])('answers none for a recall of %s %s', async (target, principal) => {
        await recall(target, principal);
        expect(await deliver(record, [byTicketOf(NOW - 1)], NOW)).toEqual([]);
      });

      it('answers by the lock where there is one too: whoever is locked out need not come back', async () => {
        await recall('agent:counter');
        await recordLockQueries(record).set('everything:', null);
        expect(await deliver(record, [byTicketOf(NOW)], NOW)).toEqual([locked(2)]);
      });

      it('answers late ones too, since a session may come to the record an hour after its ticket', async () => {
        await recall('agent:counter');
        expect(await deliver(record, [byTicketOf(NOW)], NOW + 60 * MINUTE)).toEqual([recalled(2)]);
      });
    });

    it('answers a session in which somebody acts who is locked', async () => {
      const fact: RecordFact = {
        event: auditEvent({ type: 'session.opened' }),
        session: sessionFact({ id: uuidOf(2), actors: ['auth0:t:one', ROBOT] }),
      };
      await recordLockQueries(record).set(`principal:${ROBOT}`, null);
      expect(await deliver(record, [fact], NOW)).toEqual([locked(2)]);
    });
  });
}
