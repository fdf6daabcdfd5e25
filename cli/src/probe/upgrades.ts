import { QUERY_PARAMETER, SUBPROTOCOL } from '@agent-ticket/shared/handshake.ts';
import { BAD_TICKETS, type Good, withTicket } from './bad-tickets.ts';
import { admitted, type Check, closedWith, fault, judge, opening, type Requirement } from './check.ts';
import type { Presentation, Seen } from './socket.ts';
import type { Target } from './target.ts';

/** Sockets: the deliveries of a ticket, its single use, its expiry, and every bad ticket. */

const DELIVERIES: Readonly<Record<string, (good: Pick<Good, 'url'>, ticket: string) => Presentation>> = {
  'the query': ({ url }, ticket) => ({ url: `${url}?${QUERY_PARAMETER}=${ticket}`, protocols: [] }),
  'the subprotocol': withTicket,
  Authorization: ({ url }, ticket) => ({
    url,
    protocols: [],
    headers: { authorization: `Bearer ${ticket}` },
  }),
};

const used = closedWith(3000, 'ticket_used');

const fresh = async (target: Target, protocols: (ticket: string) => readonly string[]): Promise<Seen> => {
  const { ticket } = await target.mint();
  return target.show({ url: target.good.url, protocols: protocols(ticket) });
};

const answers =
  (wanted: string): Requirement<Seen> =>
  ({ protocol }) =>
    protocol === wanted ? undefined : `the answer names the subprotocol "${protocol}"`;

/** A short lifetime, and the leeway of the gate. The check waits for the sum of both. */
const SHORT_LIFE_S = 5;
const LEEWAY_S = 5;

export const UPGRADES: readonly Check[] = [
  ...Object.entries(DELIVERIES).map(([name, present]) => ({
    name: `a ticket in ${name} opens one socket, and not a second one`,
    clause: 'The agent worker, deliveries',
    run: async (target: Target) => {
      const { ticket } = await target.mint();
      const presentation = present(target.good, ticket);
      return (
        judge(await target.show(presentation), [admitted]) ?? judge(await target.show(presentation), [used])
      );
    },
  })),
  {
    name: 'of eight concurrent tries with one ticket exactly one is admitted',
    clause: 'The agent worker, admission',
    run: async (target) => {
      const { ticket } = await target.mint();
      const tries = Array.from({ length: 8 }, () => target.show(withTicket(target.good, ticket)));
      const count = (await Promise.all(tries)).filter((seen) => seen.admitted).length;
      return count === 1 ? undefined : fault(`${count} were`);
    },
  },
  {
    name: 'an expired ticket is refused with a code for a new ticket',
    clause: 'RFC 7519 §4.1.4',
    run: async (target) => {
      const { ticket } = await target.mint({ expires_in: SHORT_LIFE_S });
      await target.wait((SHORT_LIFE_S + LEEWAY_S + 2) * 1000);
      return judge(await target.show(withTicket(target.good, ticket)), [closedWith(3000, 'ticket_expired')]);
    },
  },
  opening(
    'the answer names the subprotocol, and never the ticket',
    'RFC 6455 §4.2.2',
    (target) => fresh(target, (ticket) => [SUBPROTOCOL, ticket]),
    [admitted, answers(SUBPROTOCOL)],
  ),
  opening(
    'an app may offer a subprotocol of its own',
    'The agent worker, deliveries',
    (target) => fresh(target, (ticket) => [SUBPROTOCOL, ticket, 'probe.v1']),
    [admitted, answers('probe.v1')],
  ),
  opening(
    'no extension of WebSockets is accepted',
    'RFC 7692 §5.1',
    (target) => fresh(target, (ticket) => [SUBPROTOCOL, ticket]),
    [admitted, ({ extensions }) => (extensions === '' ? undefined : `accepts ${extensions}`)],
  ),
];

export const REFUSALS: readonly Check[] = [
  ...BAD_TICKETS.map(({ name, clause, present, close: [code, reason] }) =>
    opening(`refused with ${code}: ${name}`, clause, async ({ show, good }) => show(await present(good)), [
      closedWith(code, reason),
    ]),
  ),
  {
    name: 'none of these tries has used the ticket',
    clause: 'The agent worker, admission',
    run: async (target) => {
      const { ticket } = await target.mint();
      const good = { ...target.good, ticket };
      for (const { present } of BAD_TICKETS) await target.show(await present(good));
      return judge(await target.show(withTicket(good, ticket)), [admitted]);
    },
  },
];
