import { burnQueries } from '@agent-ticket/drizzle/object/burns.ts';
import { objectLockQueries } from '@agent-ticket/drizzle/object/locks.ts';
import { type ObjectSession, objectSessionQueries } from '@agent-ticket/drizzle/object/sessions.ts';
import { tombstoneQueries } from '@agent-ticket/drizzle/object/tombstone.ts';
import { CLOCK_SKEW_SECONDS } from '@agent-ticket/shared/limits.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { targetNamesOf } from '@agent-ticket/shared/target.ts';
import type { Handover } from '../handover.ts';
import { targetableOf } from './control.ts';
import type { Journal } from './journal.ts';
import { payloadText, warnTime } from './session.ts';

/** Whether this object lets a ticket in at all, used or not. `now` in ms, by the object's own clock. */
export function mayEnter(sql: SqlStorage, { claims, kid }: Handover, now: number): Outcome<undefined> {
  if (now / 1000 >= claims.exp + CLOCK_SKEW_SECONDS) return err('ticket_expired');
  const destroyedAt = tombstoneQueries(sql).destroyedAt();
  if (destroyedAt !== undefined && claims.iat * 1000 <= destroyedAt) return err('ticket_predates_object');
  return isLocked(sql, { claims, kid }, now) ? err('locked') : ok(undefined);
}

/** Whether a lock in this object would refuse a ticket. `now` in ms. */
export const isLocked = (sql: SqlStorage, ticket: Pick<Handover, 'claims' | 'kid'>, now: number): boolean =>
  objectLockQueries(sql).stands(targetNamesOf(targetableOf(ticket)), now);

/**
 * Burns the ticket and opens its session, or refuses. Synchronous from first to last, so that of any number of
 * tries with one ticket exactly one is first; its writes are durable before the object answers.
 *
 * @param now milliseconds, by the object's own clock.
 */
export function admit(
  sql: SqlStorage,
  journal: Journal,
  handover: Handover,
  now: number,
): Outcome<ObjectSession> {
  const { claims } = handover;
  const may = mayEnter(sql, handover, now);
  if (!may.ok) return may;
  const { sub: principal } = claims;

  const burns = burnQueries(sql);
  const sessions = objectSessionQueries(sql);
  // Asked before the burn: a ticket refused for a crowd is still good when the crowd has gone.
  const crowded = sessions.countOpen(principal) >= handover.limits.socketsPerPrincipal;
  if (crowded && !burns.isBurned(claims.jti)) return err('too_many_sockets');
  if (!burns.burn(claims.jti, claims.exp, handover.sessionId)) return err('ticket_used');
  const expiresAt = claims.session_expiry * 1000;
  // A stream is one way: its client can neither speak nor renew.
  const idleSeconds = claims.transport === 'http' ? undefined : handover.limits.idleSeconds;
  const warnAt = claims.transport === 'http' ? null : warnTime(claims, now, expiresAt);
  const session = {
    id: handover.sessionId,
    jti: claims.jti,
    principal,
    claims: payloadText(claims),
    kid: handover.kid,
    limits: JSON.stringify(handover.limits),
    startedAt: now,
    expiresAt,
    warnAt,
    idleAt: idleSeconds === undefined ? null : now + idleSeconds * 1000,
    endedAt: null,
    endReason: null,
    ipAddress: handover.ipAddress,
    userAgent: handover.userAgent,
  };
  sessions.open(session);
  journal.used(handover, now);
  journal.session('session.opened', session, now);
  return ok(session);
}
