import type { ObjectSession } from '@agent-ticket/drizzle/object/sessions.ts';
import type { PrincipalId, Role, Tier } from '@agent-ticket/shared/names.ts';
import { type CallbackScope, formatScope, type Scope } from '@agent-ticket/shared/scope.ts';
import { TicketClaims } from '@agent-ticket/shared/ticket.ts';

/** Texts that were read, by themselves: a session's are read for each of its frames. Dropped together when many. */
const READ_TEXTS = 256;

/** A reader of JSON texts that keeps what it has read. Throws at any other text: rows have only what was checked. */
export function readerOf<Value>(parse: (json: unknown) => Value) {
  const known = new Map<string, Value>();
  function keep(text: string, value: Value): void {
    if (known.size >= READ_TEXTS) known.clear();
    known.set(text, value);
  }
  return {
    /** Keeps what a text says that was just written. */
    keep,
    read(text: string): Value {
      const found = known.get(text);
      if (found !== undefined) return found;
      const value = parse(JSON.parse(text));
      keep(text, value);
      return value;
    },
  };
}

const claimsTexts = readerOf((json) => TicketClaims.parse(json));

/** The claims in a session row: the verified ticket's payload, so anything else is a bug and throws. */
export const claimsOf = (session: ObjectSession): TicketClaims => claimsTexts.read(session.claims);

/** Claims as a session row has them. */
export function payloadText(claims: TicketClaims): string {
  const text = JSON.stringify({ ...claims, scope: formatScope(claims.scope) });
  // The next frame or hand-over reads them.
  claimsTexts.keep(text, claims);
  return text;
}

/** The caller as agent code sees it. Never a ticket, never an e-mail. */
export interface SessionPrincipal {
  readonly principal: PrincipalId;
  readonly role: Role;
  readonly tier: Tier;
  /** Of a request without a ticket: those of its call in the registry, or that of its callback. */
  readonly scope: readonly (Scope | CallbackScope)[];
  /** The session's id; absent for a plain request, which opens none. */
  readonly session?: string;
}

export const principalOf = (claims: TicketClaims, session?: string): SessionPrincipal => ({
  principal: claims.sub,
  role: claims.role,
  tier: claims.tier,
  // A copy: claims are kept, and agent code may do with these what it likes.
  scope: [...claims.scope],
  ...(session === undefined ? {} : { session }),
});
