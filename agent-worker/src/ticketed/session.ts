import type { ObjectSession } from '@agent-ticket/drizzle/object/sessions.ts';
import { isAnonymous } from '@agent-ticket/shared/anonymous.ts';
import type { PrincipalId, Role, Tier } from '@agent-ticket/shared/names.ts';
import { formatScope, type Scope } from '@agent-ticket/shared/scope.ts';
import { TicketClaims } from '@agent-ticket/shared/ticket.ts';

/** Who is asking, as agent code sees it. Never a ticket, never an e-mail. */
export interface SessionPrincipal {
  readonly principal: PrincipalId;
  readonly role: Role;
  readonly tier: Tier;
  readonly scope: readonly Scope[];
  /** The session's id; absent for a plain request, which opens none. */
  readonly session?: string;
}

/** The claims in a session row: the verified ticket's payload, so anything else is a bug and throws. */
export const claimsOf = (session: ObjectSession): TicketClaims =>
  TicketClaims.parse(JSON.parse(session.claims));

export const principalOf = (claims: TicketClaims, session?: string): SessionPrincipal => ({
  principal: claims.sub,
  role: claims.role,
  tier: claims.tier,
  scope: claims.scope,
  ...(session === undefined ? {} : { session }),
});

/** Claims as a session row keeps them: the ticket's payload. */
export const payloadText = (claims: TicketClaims): string =>
  JSON.stringify({ ...claims, scope: formatScope(claims.scope) });

/** The stock client needs a mint and a frame; a minute leaves room for a slow broker and one retry. */
const WARN_AHEAD_MS = 60_000;

/** When to warn of the end: a minute ahead, or halfway for a shorter life. Sessions that cannot renew are not warned. */
export const warnTime = (claims: TicketClaims, now: number, expiresAt: number): number | null =>
  isAnonymous(claims.sub) ? null : expiresAt - Math.min(WARN_AHEAD_MS, Math.floor((expiresAt - now) / 2));
