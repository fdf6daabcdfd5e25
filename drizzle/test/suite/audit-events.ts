import type { AuditEvent } from '@agent-ticket/shared/audit-event.ts';
import { asc, sql } from 'drizzle-orm';
import { beforeEach, describe, expect, it } from 'vitest';
import { insertEvent } from '../../record/audit-log.ts';
import type { RecordFact } from '../../record/deliver.ts';
import { auditEvents } from '../../record/schema.ts';
import type { Databases, OpenDatabases } from './databases.ts';
import { ALICE, auditEvent, JTI, NOW, uuidOf } from './rows.ts';

const facts = (...names: readonly number[]) =>
  names.map((name) => ({ event: auditEvent({ eventId: uuidOf(name) }) }));

export function describeAuditEvents(open: OpenDatabases): void {
  describe('audit events', () => {
    let record: Databases['recordDb'];
    let deliver: (facts: readonly RecordFact[]) => Promise<unknown>;
    beforeEach(async () => {
      const databases = await open();
      record = databases.recordDb;
      deliver = (facts) => databases.record.deliver(facts, NOW);
    });
    const arrivals = () =>
      record
        .select({ seq: auditEvents.seq, eventId: auditEvents.eventId })
        .from(auditEvents)
        .orderBy(asc(auditEvents.seq));
    /** `[seq, event]` of {@link facts} by their names, in the order of arrival. */
    const arrived = (...names: readonly number[]) =>
      names.map((name, index) => ({ seq: index + 1, eventId: uuidOf(name) }));

    it('puts each name of an event into the column of its meaning', async () => {
      const sessionId = uuidOf(7);
      await insertEvent(
        record,
        auditEvent({
          type: 'ticket.replayed',
          outcome: 'denied',
          code: 'ticket_used',
          principal: ALICE,
          agent: 'counter',
          instance: 'main',
          jti: JTI,
          sessionId,
          kid: 'key-1',
          ipAddress: '2001:db8::1',
          userAgent: 'curl/8',
          requestId: 'request-1',
          policyVersion: '1',
          details: { delivery: 'query', tries: 2, mobile: false },
        }),
      );
      expect(await record.all(sql`SELECT * FROM audit_events`)).toEqual([
        {
          seq: 1,
          event_id: uuidOf(1),
          at: NOW,
          type: 'ticket.replayed',
          outcome: 'denied',
          code: 'ticket_used',
          user_id: ALICE,
          agent_slug: 'counter',
          instance_id: 'main',
          jti: JTI,
          session_id: sessionId,
          kid: 'key-1',
          ip_address: '2001:db8::1',
          user_agent: 'curl/8',
          request_id: 'request-1',
          policy_version: '1',
          details: '{"delivery":"query","tries":2,"mobile":false}',
        },
      ]);
    });

    it('leaves empty what an event does not say, also after it rested as JSON', async () => {
      const said = auditEvent({ code: undefined, principal: undefined });
      const event: typeof said = JSON.parse(JSON.stringify(said));
      await insertEvent(record, event);
      const [row] = await record.select().from(auditEvents);
      const { seq, eventId, at, type, outcome, ...rest } = row ?? {};
      expect({ seq, eventId, at, type, outcome }).toEqual({ seq: 1, ...auditEvent() });
      expect(new Set(Object.values(rest))).toEqual(new Set([null]));
    });

    it('gives details back as they were', async () => {
      const details = { method: 'service-token', code: 1006, clean: false, text: 'a "b" \\ ü 🙂' };
      await insertEvent(record, auditEvent({ details }));
      expect((await record.select().from(auditEvents)).map((row) => row.details)).toEqual([details]);
    });

    it('keeps one row of an event that is delivered alone, again, twice in a batch and in other batches', async () => {
      await deliver(facts(1));
      await deliver(facts(1));
      await deliver(facts(2, 2));
      await deliver(facts(1, 2, 3));
      await insertEvent(record, auditEvent({ eventId: uuidOf(3) }));
      expect(await arrivals()).toEqual(arrived(1, 2, 3));
    });

    it('marks an event that arrives when its id may be forgotten, and no younger one', async () => {
      const days = (count: number) => NOW - count * 86_400_000;
      await deliver([
        { event: auditEvent({ eventId: uuidOf(1), at: days(7) - 1, details: { method: 'auth0' } }) },
        { event: auditEvent({ eventId: uuidOf(2), at: days(7) }) },
      ]);
      expect((await record.select().from(auditEvents)).map(({ details }) => details)).toEqual([
        { method: 'auth0', late: true },
        null,
      ]);
    });

    it('leaves no hole in the order of arrival after repeats', async () => {
      await deliver(facts(1, 2));
      for (let times = 0; times < 5; times += 1) await deliver(facts(2, 1));
      await deliver(facts(2, 3));
      await deliver(facts(1, 2, 3, 3, 4));
      await deliver(facts(5));
      expect(await arrivals()).toEqual(arrived(1, 2, 3, 4, 5));
    });

    it('leaves no hole in the order of arrival after a delivery that failed', async () => {
      await deliver(facts(1));
      const bad: AuditEvent = JSON.parse(JSON.stringify(auditEvent({ at: Number.NaN })));
      const broken = deliver([...facts(2, 3), { event: { ...bad, eventId: uuidOf(9) } }]);
      await expect(broken).rejects.toThrow();
      await deliver(facts(4));
      expect(await arrivals()).toEqual(arrived(1, 4));
    });

    it('numbers by arrival and not by the clock of the source', async () => {
      await insertEvent(record, auditEvent({ eventId: uuidOf(1), at: NOW + 5 }));
      await insertEvent(record, auditEvent({ eventId: uuidOf(2), at: NOW }));
      expect(await arrivals()).toEqual(arrived(1, 2));
    });

    it('keeps what was written first when a repeat says something else', async () => {
      await insertEvent(record, auditEvent({ outcome: 'denied', code: 'locked' }));
      await insertEvent(record, auditEvent({ outcome: 'success' }));
      const rows = await record.select().from(auditEvents);
      expect(rows.map(({ outcome, code }) => ({ outcome, code }))).toEqual([
        { outcome: 'denied', code: 'locked' },
      ]);
    });

    it('loses and doubles nothing when many sources deliver overlapping batches at once', async () => {
      await Promise.all(
        Array.from({ length: 20 }, (_, source) => deliver(facts(source, source + 1, source + 2))),
      );
      const rows = await arrivals();
      expect(rows.map(({ seq }) => seq)).toEqual(Array.from({ length: 22 }, (_, index) => index + 1));
      expect(new Set(rows.map(({ eventId }) => eventId)).size).toBe(22);
    });
  });
}
