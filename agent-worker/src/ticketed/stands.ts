import { isOutage } from '@agent-ticket/drizzle/outage.ts';
import type { RecordDatabase } from '@agent-ticket/drizzle/record/database.ts';
import { whyStopped } from '@agent-ticket/drizzle/record/stops.ts';
import { describeError } from '@agent-ticket/shared/describe-error.ts';
import { issuedAt } from '@agent-ticket/shared/issued-at.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import type { VerifiedTicket } from '@agent-ticket/shared/verify-ticket.ts';
import { targetableOf } from './control.ts';

/**
 * Whether no lock stands on a ticket and no recall has taken its rights: for requests that open no session, and so meet
 * neither in the record, and for renewals, whose rights are used from the next frame on. A record database that is away
 * keeps nobody out: such a ticket ends by itself within minutes, and a renewed session meets them when it is back.
 * `now` in ms.
 */
export async function stands(
  ticket: VerifiedTicket,
  record: RecordDatabase,
  now: number,
): Promise<Outcome<undefined>> {
  try {
    const hit = { ...targetableOf(ticket), issuedAt: issuedAt(ticket.claims) };
    const why = await whyStopped(record, hit, now);
    return why === undefined ? ok(undefined) : err(why);
  } catch (error) {
    if (!isOutage(error)) throw error;
    console.error(JSON.stringify({ event: 'record_unread', error: describeError(error) }));
    return ok(undefined);
  }
}
