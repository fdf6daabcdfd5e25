import type { ControlCommand } from '@agent-ticket/shared/control.ts';
import type { DenialReason } from '@agent-ticket/shared/denial.ts';
import { issuedAt } from '@agent-ticket/shared/issued-at.ts';
import { type Targetable, targetName, targetNamesOf } from '@agent-ticket/shared/target.ts';
import { partiesBeside, type TicketClaims } from '@agent-ticket/shared/ticket.ts';
import type { ControlOrder } from '../order.ts';

/** What of a session decides whether a command means it. */
export interface OrderedSession {
  readonly id: string;
  readonly kid: string;
  readonly startedAt: number;
  readonly claims: TicketClaims;
}

/** With which reason a command ends sessions; `undefined`: it ends none. */
export const closingReason: Readonly<Record<ControlCommand['op'], DenialReason | undefined>> = {
  terminate: 'session_terminated',
  lock: 'locked',
  unlock: undefined,
  refresh: 'rights_changed',
  destroy: 'session_terminated',
  reconcile: undefined,
};

/**
 * Whether a command means this session: one that was there at the time, or that a ticket from then has opened since.
 */
export function isMeant({ cmd, before }: ControlOrder, session: OrderedSession): boolean {
  if (session.startedAt > before && issuedAt(session.claims) > before) return false;
  switch (cmd.op) {
    case 'terminate':
    case 'lock':
    case 'unlock':
      return targetsOf(session).includes(targetName(cmd.target));
    case 'refresh':
      return cmd.principal === undefined || cmd.principal === session.claims.sub;
    case 'destroy':
      return true;
    case 'reconcile':
      return false;
  }
}

const targetsOf = ({ id, kid, claims }: OrderedSession): string[] =>
  targetNamesOf({ ...targetableOf({ claims, kid }), session: id });

/** What of a ticket a lock or a command can be about. */
export const targetableOf = ({ claims, kid }: Pick<OrderedSession, 'claims' | 'kid'>): Targetable => ({
  principal: claims.sub,
  actors: partiesBeside(claims),
  agent: claims.agent,
  instance: claims.instance,
  kid,
});

/**
 * The lock that the object keeps to itself, which is one that names it. Locks on people or agents concern many
 * objects: nothing is minted for them, and what was minted before meets their copy in the record database.
 */
export const ownLock = (cmd: ControlCommand): string | undefined =>
  (cmd.op === 'lock' || cmd.op === 'unlock') && cmd.target.kind === 'instance'
    ? targetName(cmd.target)
    : undefined;
