import { backlogQueries } from '@agent-ticket/drizzle/object/backlog.ts';
import { burnQueries } from '@agent-ticket/drizzle/object/burns.ts';
import { enqueue } from '@agent-ticket/drizzle/object/drain.ts';
import { objectSessionQueries } from '@agent-ticket/drizzle/object/sessions.ts';
import type { AuditEvent } from '@agent-ticket/shared/audit-event.ts';
import { eventOfShowing, type Showing } from './journal.ts';

/** How long a replay is held back: its one event tells of a burst, not only of its first try. */
const HELD_MS = 2_000;

/** Tickets that were shown again after they were burned. Times in ms. */
export function createReplays(sql: SqlStorage, randomId: () => string) {
  const burns = burnQueries(sql);
  const sessions = objectSessionQueries(sql);
  const backlog = backlogQueries(sql);
  return {
    /** Notes one more showing of a burned ticket. Answers the session that its first showing opened or renewed. */
    note(again: Showing, now: number): string | undefined {
      const { jti } = again.claims;
      const sessionId = burns.sessionOf(jti);
      if (burns.countReplay(jti) !== 1) return sessionId;
      const first = sessionId === undefined ? undefined : sessions.find(sessionId);
      const event: AuditEvent = {
        ...eventOfShowing(again, 'ticket.replayed', randomId(), now),
        outcome: 'denied',
        code: 'ticket_used',
        sessionId,
        details: {
          delivery: again.delivery,
          ...(first?.ipAddress == null ? {} : { first_ip_address: first.ipAddress }),
          ...(first?.userAgent == null ? {} : { first_user_agent: first.userAgent }),
        },
      };
      burns.holdReplay(jti, JSON.stringify(event), now + HELD_MS);
      return sessionId;
    },

    /** Sends on what was held long enough. Whether there was any. */
    release(now: number): boolean {
      const due = burns.takeReplays(now);
      for (const { replay, replays } of due) {
        const event: AuditEvent = JSON.parse(replay);
        enqueue(backlog, { event: { ...event, details: { ...event.details, replays } } });
      }
      return due.length > 0;
    },

    nextDue: burns.nextReplay,
  };
}

export type Replays = ReturnType<typeof createReplays>;
