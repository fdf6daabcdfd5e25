import { env } from 'cloudflare:workers';
import type { AuditEvent } from '@agent-ticket/shared/audit-event.ts';
import { expect, it } from 'vitest';
import type { RecordFact } from '../../record/deliver.ts';
import { openRecord } from '../../record/open-d1.ts';
import { ALICE, auditEvent, JTI, KID, MINUTE, NOW, sessionFact, uuidOf } from '../suite/rows.ts';
import { openD1 } from './open.ts';

/** The rows that D1 bills: one for each row, and one for each entry of an index that a statement writes. */

const SESSION = uuidOf(100);
const CLIENT = { ipAddress: '192.0.2.7', userAgent: 'Mozilla/5.0' };
const event = (number: number, type: AuditEvent['type'], differs: Partial<AuditEvent> = {}): AuditEvent => ({
  ...auditEvent(),
  ...{ eventId: uuidOf(number), type, outcome: 'success', code: undefined },
  ...{ principal: ALICE, agent: 'counter', instance: 'main', jti: JTI, kid: KID, ...CLIENT },
  ...differs,
});
const session = sessionFact({ id: SESSION, ...CLIENT });
const revocable = { names: ['agent:counter'], rev: 7 };
const used = event(5, 'ticket.used', { sessionId: SESSION, requestId: uuidOf(200) });
const opened = event(2, 'session.opened', { sessionId: SESSION });
const renewed = event(3, 'session.renewed', { sessionId: SESSION });
const closed = event(4, 'session.closed', { sessionId: SESSION, code: 'client_closed' });
const ended = { ...session, endedAt: NOW + MINUTE, endReason: 'client_closed' };

/** The life of a ticket, each step after the one before. */
const STEPS: readonly [step: string, rows: number, facts: readonly RecordFact[]][] = [
  // The event, its id, and its indexes by time, principal, agent, instance, type, ticket and request.
  ['a mint', 9, [{ event: event(1, 'ticket.issued', { requestId: uuidOf(201) }) }]],
  // An event as of a mint, with its session in place of its type, and one without a request; the session, its id, and
  // nine indexes.
  ['an opening', 9 + 8 + 11, [{ event: used }, { event: opened, session, revocable }]],
  ['an opening that is handed over again', 1, [{ event: used }, { event: opened, session, revocable }]],
  // Of the session its row alone.
  ['a renewal', 9 + 1, [{ event: renewed, session: { ...session, jti: uuidOf(6), kid: 'k2' }, revocable }]],
  // The event without a request, its session and the index of ends. What leaves an index costs nothing.
  ['an end', 8 + 2, [{ event: closed, session: ended }]],
  ['an end that is handed over again', 2, [{ event: closed, session: ended }]],
];

it('rows that D1 bills are as few as the indexes of each step', async () => {
  await openD1();
  let written = 0;
  const counted: D1Database = new Proxy(env.RECORD, {
    get(target, name) {
      if (name !== 'batch') return Reflect.get(target, name).bind(target);
      return async (statements: D1PreparedStatement[]) => {
        const results = await target.batch(statements);
        for (const { meta } of results) written += meta.rows_written;
        return results;
      };
    },
  });
  const { deliver } = openRecord(counted);
  const found: [string, number][] = [];
  for (const [step, , facts] of STEPS) {
    written = 0;
    await deliver(facts, NOW);
    found.push([step, written]);
  }
  expect(found).toEqual(STEPS.map(([step, rows]) => [step, rows]));
  // A deletion costs the row alone.
  const forgotten = await env.RECORD.prepare('DELETE FROM agent_sessions WHERE id = ?').bind(SESSION).run();
  expect(forgotten.meta.rows_written).toBe(1);
});
