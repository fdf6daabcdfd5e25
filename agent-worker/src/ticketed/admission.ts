import { burnStore } from '@agent-ticket/drizzle/object/burns.ts';
import { objectRevocationStore } from '@agent-ticket/drizzle/object/revocations.ts';
import type { ObjectSession, Renewed, SessionRows } from '@agent-ticket/drizzle/object/sessions.ts';
import { addressKey, isAnonymous } from '@agent-ticket/shared/anonymous.ts';
import type { DenialReason } from '@agent-ticket/shared/denial.ts';
import { CLOCK_SKEW_SECONDS } from '@agent-ticket/shared/limits.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { targetNamesOf } from '@agent-ticket/shared/target.ts';
import type { VerifiedTicket } from '@agent-ticket/shared/verify-ticket.ts';
import type { Handover } from '../handover.ts';
import { payloadText } from './claims.ts';

/** Why this object refuses a ticket, by the revocations that it keeps and by its own age. `now` in ms. */
export function whyRefused(
  sql: SqlStorage,
  { claims, kid }: VerifiedTicket,
  now: number,
): DenialReason | undefined {
  const { rev, iat } = claims;
  const refusal = objectRevocationStore(sql).whyRefused(
    { names: targetNamesOf({ claims, kid }), rev, iat },
    now,
  );
  return refusal === 'predates_object' ? 'ticket_predates_object' : refusal;
}

/** Whether this object takes a ticket, burned or not. `now` in ms, by the object's own clock. */
export function checkTicket(sql: SqlStorage, ticket: VerifiedTicket, now: number): Outcome<undefined> {
  if (now / 1000 >= ticket.claims.exp + CLOCK_SKEW_SECONDS) return err('ticket_expired');
  const reason = whyRefused(sql, ticket, now);
  return reason === undefined ? ok(undefined) : err(reason);
}

/** Notes that a ticket was used here, and its grant, which is then no claim that may lapse. */
export function noteOpened(sql: SqlStorage, { claims: { grant } }: VerifiedTicket): void {
  objectRevocationStore(sql).noteOpened(grant);
}

/**
 * Burns the ticket and opens its session, or refuses. Synchronous from first to last, so that of any number of tries
 * with one ticket exactly one is first; its writes are durable before the object answers.
 *
 * @param now milliseconds, by the object's own clock.
 */
export function admit(
  sql: SqlStorage,
  sessions: SessionRows,
  handover: Handover,
  now: number,
): Outcome<ObjectSession> {
  const checked = checkTicket(sql, handover, now);
  if (!checked.ok) return checked;
  const { claims, kid, limits, sessionId, ipAddress, userAgent } = handover;

  // Before the number of sockets: a ticket that is refused for that is still good when there are fewer.
  if (burnStore(sql).sessionOf(claims.jti) !== undefined) return err('ticket_used');
  const isCrowded =
    sessions.countOpen(claims.sub) >= limits.socketsPerPrincipal ||
    (isAnonymous(claims.sub) &&
      countAt(ipAddress, sessions.openAddresses('anonymous:', 'anonymous;')) >=
        limits.socketsPerPrincipal * ANONYMOUS_PER_NETWORK);
  if (isCrowded) return err('too_many_sockets');
  noteOpened(sql, handover);
  const rights = rightsOf({ claims, kid }, claims.session_expiry * 1000, now);
  // A stream is one way: its client can neither send frames nor renew.
  const isStream = claims.transport === 'http';
  const idleAt = isStream || limits.idleSeconds === undefined ? null : now + limits.idleSeconds * 1000;
  const { delivery, requestId, feed, browser } = handover;
  const opening: Opening = { kid, delivery, requestId, feed, ...(browser === undefined ? {} : { browser }) };
  return ok(
    sessions.open({
      id: sessionId,
      ticket: claims.jti,
      exp: claims.exp,
      opening: JSON.stringify(opening),
      principal: claims.sub,
      ...rights,
      warnAt: isStream ? null : rights.warnAt,
      limits: JSON.stringify(limits),
      startedAt: now,
      idleAt,
      ipAddress,
      userAgent,
    }),
  );
}

/** How a session was opened, as its row has it. */
export interface Opening extends Pick<Handover, 'kid' | 'delivery' | 'requestId' | 'feed' | 'browser'> {}

/** Anonymous principals of one network, each with all of its sockets and requests. Households and offices share an address. */
const ANONYMOUS_PER_NETWORK = 8;

/**
 * How many plain requests may be in flight, by what is counted: for a principal as many as it may send in a second, so
 * that the agent answers in less than that or the next one is refused.
 */
export function requestsInFlight({ claims, limits, ipAddress }: Handover): ReadonlyMap<string, number> {
  const most = new Map([[`principal ${claims.sub}`, limits.messagesPerSecond]]);
  if (isAnonymous(claims.sub))
    most.set(`network ${addressKey(ipAddress)}`, limits.messagesPerSecond * ANONYMOUS_PER_NETWORK);
  return most;
}

/** Every anonymous ticket has a principal of its own, so only the network says that two are the same caller's. */
function countAt(ipAddress: string | null, addresses: readonly (string | null)[]): number {
  const network = addressKey(ipAddress);
  return addresses.filter((each) => addressKey(each) === network).length;
}

/** The client needs a mint and a frame to renew; a minute leaves room for a slow broker and one retry. */
const WARN_AHEAD_MS = 60_000;

/** The rights and times that a session has from a ticket, in ms. */
export function rightsOf({ claims, kid }: VerifiedTicket, expiresAt: number, now: number): Renewed {
  // A minute ahead, or halfway for a shorter life. Anonymous sessions do not renew.
  const warnAhead = Math.min(WARN_AHEAD_MS, Math.floor((expiresAt - now) / 2));
  const warnAt = isAnonymous(claims.sub) ? null : expiresAt - warnAhead;
  return { jti: claims.jti, claims: payloadText(claims), kid, expiresAt, warnAt };
}
