import type { ObjectSession } from '@agent-ticket/drizzle/object/sessions.ts';
import type { PrincipalId, Role, Tier } from '@agent-ticket/shared/names.ts';
import { formatScope, type Scope } from '@agent-ticket/shared/scope.ts';
import { TicketClaims } from '@agent-ticket/shared/ticket.ts';

/** The claims in a session row: the verified ticket's payload, so anything else is a bug and throws. */
export const claimsOf = (session: ObjectSession): TicketClaims =>
  TicketClaims.parse(JSON.parse(session.claims));

/** Claims as a session row has them. */
export const payloadText = (claims: TicketClaims): string =>
  JSON.stringify({ ...claims, scope: formatScope(claims.scope) });

/** The caller as agent code sees it. Never a ticket, never an e-mail. */
export interface SessionPrincipal {
  readonly principal: PrincipalId;
  readonly role: Role;
  readonly tier: Tier;
  readonly scope: readonly Scope[];
  /** The session's id; absent for a plain request, which opens none. */
  readonly session?: string;
}

export const principalOf = (claims: TicketClaims, session?: string): SessionPrincipal => ({
  principal: claims.sub,
  role: claims.role,
  tier: claims.tier,
  scope: claims.scope,
  ...(session === undefined ? {} : { session }),
});
