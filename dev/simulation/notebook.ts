import { MOST_AHEAD_MS } from './actions.ts';
import type { Person } from './people.ts';
import type { SimSocket } from './sockets.ts';

/**
 * The actions of clients and operators in a run, and the answers to them. The checks of promises compare with this
 * record.
 */

/** A ticket that a client got. Times are true times, in ms. */
export interface HeldTicket {
  readonly person: Person;
  readonly text: string;
  readonly jti: string;
  readonly kid: string;
  readonly sub: string;
  readonly agent: string;
  readonly instance: string;
  readonly role: string;
  readonly grant: string | undefined;
  /** Seconds. */
  readonly exp: number;
  /** Seconds. */
  readonly sessionExpiry: number;
  readonly askedAt: number;
  readonly gotAt: number;
}

/** A socket of a client that the gate did not refuse at once. */
export interface HeldSocket {
  readonly ticket: HeldTicket;
  readonly socket: SimSocket;
  /** The ticket that gives the rights of the session. A renewal replaces it. */
  rights: HeldTicket;
  isOpen: boolean;
  frames: string[];
  close: { readonly at: number; readonly code: number; readonly reason: string } | undefined;
  readonly openedAt: number;
}

/**
 * A change that takes the rights of a target away, or may do so if its answer was lost. Times are true times, in ms.
 */
export interface Taken {
  readonly target: string;
  /** `lock`: no ticket is valid while the lock lasts. `before`: tickets from before the change are not valid. */
  readonly kind: 'lock' | 'before';
  /** The id of a lock, with which it can be lifted. */
  id?: string;
  readonly askedAt: number;
  /** The arrival of the answer. `undefined`: the answer was lost, or was a refusal. */
  doneAt?: number;
  /** The times at which an operator began to lift the lock, and got the answer. */
  liftAskedAt?: number;
  liftedAt?: number;
}

export interface GrantNote {
  readonly id: string;
  readonly principal: string;
  readonly instance: string;
  readonly role: string;
  readonly askedAt: number;
  deletedAt?: number;
}

export function createNotebook(time: () => number) {
  const violations: string[] = [];
  return {
    tickets: new Map<string, HeldTicket>(),
    sockets: [] as HeldSocket[],
    taken: [] as Taken[],
    grants: [] as GrantNote[],
    /** All requests for grants, also those without an answer. */
    maybeGranted: [] as { readonly principal: string; readonly instance: string; readonly askedAt: number }[],
    /** Sessions that reached an agent, with the ticket that opened each. */
    admitted: new Map<string, { readonly jti: string; readonly at: number }>(),
    usedTickets: new Set<string>(),
    /** All events that were in the outbox at any time. */
    enqueued: new Set<string>(),
    violations,
    violate(promise: string, details: string): void {
      violations.push(`${promise}: ${details} (after ${((time() - 1_800_000_000_000) / 1000).toFixed(3)} s)`);
    },
  };
}
export type Notebook = ReturnType<typeof createNotebook>;

/** The targets of changes that apply to a ticket. */
const targetsOf = (ticket: HeldTicket): string[] => {
  const { sub, agent, instance, kid, grant } = ticket;
  return [
    sub.startsWith('token:') ? `service-token:${sub.slice('token:'.length)}` : `principal:${sub}`,
    `agent:${agent}`,
    `instance:${agent}/${instance}`,
    `key:${kid}`,
    'everything:',
    ...(grant === undefined ? [] : [`grant:${grant}`]),
  ];
};

/** A change that certainly makes a ticket invalid from `since` to `until`. `undefined`: there is no certain one. */
export const deadBy = (
  ticket: HeldTicket,
  { taken }: Pick<Notebook, 'taken'>,
  since: number,
  until: number,
): Taken | undefined => {
  const names = targetsOf(ticket);
  return taken.find(
    (each) =>
      names.includes(each.target) &&
      (each.doneAt ?? Number.POSITIVE_INFINITY) <= since &&
      (each.kind === 'before'
        ? ticket.gotAt <= each.askedAt
        : each.liftAskedAt === undefined || each.liftAskedAt > until),
  );
};

/** Whether any change may have ended a session of this ticket. */
export const mayBeDead = (ticket: HeldTicket, { taken }: Pick<Notebook, 'taken'>): boolean => {
  const names = targetsOf(ticket);
  return taken.some(
    ({ target, kind, doneAt, liftedAt }) =>
      // A ticket that is asked for at the moment of the answer is decided after the change. The end of a lock is a time, which
      // a machine reads on its own clock.
      names.includes(target) &&
      (kind === 'lock'
        ? (liftedAt ?? Number.POSITIVE_INFINITY) + 2 * MOST_AHEAD_MS
        : (doneAt ?? Number.POSITIVE_INFINITY)) > ticket.askedAt,
  );
};
