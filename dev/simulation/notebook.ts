import type { Person } from './people.ts';
import type { SimSocket } from './sockets.ts';

/** What clients and operators of a run did and were told. Promises are checked against it, and against the databases. */

/** A ticket that a client got. Times are true, in ms. */
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

/** A socket of a client that was not refused at once. */
export interface HeldSocket {
  readonly ticket: HeldTicket;
  readonly socket: SimSocket;
  /** That its rights come from: another one after a renewal. */
  rights: HeldTicket;
  isOpen: boolean;
  frames: string[];
  close: { readonly at: number; readonly code: number; readonly reason: string } | undefined;
  readonly openedAt: number;
}

/** A change by which a target loses its rights, or may: also one of which no answer came. Times are true, in ms. */
export interface Taken {
  readonly target: string;
  /** `lock`: while it lasts, nothing is valid. `before`: what was issued before is not. */
  readonly kind: 'lock' | 'before';
  /** Of a lock that can be lifted. */
  id?: string;
  readonly askedAt: number;
  /** When the operator had the answer; `undefined`: none came, or a refusal. */
  doneAt?: number;
  /** When an operator began to lift it, and when that was done. */
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
    /** Requests for grants of which nobody knows what became. */
    maybeGranted: [] as { readonly principal: string; readonly instance: string; readonly askedAt: number }[],
    /** Sessions that reached an agent, with the ticket that opened each. */
    admitted: new Map<string, { readonly jti: string; readonly at: number }>(),
    usedTickets: new Set<string>(),
    /** Events that the outbox ever had. */
    enqueued: new Set<string>(),
    violations,
    violate(promise: string, details: string): void {
      violations.push(`${promise}: ${details} (after ${((time() - 1_800_000_000_000) / 1000).toFixed(3)} s)`);
    },
  };
}
export type Notebook = ReturnType<typeof createNotebook>;

/** The targets that hit a ticket. */
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

/** The change after which a ticket is certainly not valid from `since` to `until`; `undefined` where there may be none. */
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

/** Whether any change may have ended a session that rests on a ticket. */
export const mayBeDead = (ticket: HeldTicket, { taken }: Pick<Notebook, 'taken'>): boolean => {
  const names = targetsOf(ticket);
  return taken.some(
    ({ target, kind, doneAt, liftedAt }) =>
      names.includes(target) && ((kind === 'lock' ? liftedAt : doneAt) ?? ticket.askedAt) >= ticket.askedAt,
  );
};
