import { type Check, errorOf, isOff, isSignInPage, listOf, skipped } from './check.ts';
import type { Facts } from './facts.ts';

const NO_TICKET = skipped('There is no ticket; see the check "ticket".');
const NO_WORKER = skipped('The agent worker did not answer, or a ticket with its address is missing.');
const NO_ORIGIN = skipped('Name the origin of a page by --origin.');

/** Faults on the way from a ticket to a socket, as seen from outside. */
export const AGENT_CHECKS: readonly Check<Facts>[] = [
  {
    name: 'ticket',
    look: ({ agent, ticket }) => {
      if (agent === undefined)
        return skipped('The credential may connect to no agent. Name one by --agent, or give it a grant.');
      if (ticket === undefined) return skipped('The broker does not answer.');
      return ticket.status === 201
        ? undefined
        : `No ticket for ${agent} (${ticket.status}): ${errorOf(ticket)}. See: agent-ticket explain ${agent}`;
    },
  },
  {
    name: 'issuer of tickets',
    look: ({ claims, metadata }) => {
      if (claims === undefined) return NO_TICKET;
      if (metadata?.body?.issuer === undefined) return skipped('The broker answers no metadata.');
      return claims.iss === metadata.body.issuer
        ? undefined
        : 'Tickets name another issuer than the metadata. A cache keeps old metadata, or two brokers answer.';
    },
  },
  {
    name: 'key of tickets',
    look: ({ header, keySet }) => {
      if (header === undefined) return NO_TICKET;
      if (keySet?.status !== 200) return skipped('The key set is not public.');
      return listOf(keySet.body?.keys).some(({ kid }) => kid === header.kid)
        ? undefined
        : 'The key that signs is not in the published set. A cache keeps an old set, or two brokers share no database.';
    },
  },
  {
    name: 'address of agents is safe',
    look: ({ ticket, broker }) => {
      const url = ticket?.body?.url;
      if (typeof url !== 'string') return NO_TICKET;
      return broker.startsWith('https:') && !url.startsWith('wss:')
        ? 'Tickets go to an address without TLS. Set AGENT_WORKER_URL to https.'
        : undefined;
    },
  },
  {
    name: 'agent worker answers',
    look: ({ ticket, agentWorker }) => {
      if (ticket?.status !== 201) return NO_TICKET;
      return agentWorker === undefined
        ? 'Nothing answers at the address of the agent. Check AGENT_WORKER_URL, DNS and the route of the agent worker.'
        : undefined;
    },
  },
  {
    name: 'no sign-in in front of agents',
    look: ({ agentWorker }) => {
      if (agentWorker === undefined) return NO_WORKER;
      return isSignInPage(agentWorker)
        ? 'A sign-in page answers in place of the agent worker. Take its hostname out of Access: tickets protect it.'
        : undefined;
    },
  },
  {
    name: 'agents ask for a ticket',
    look: ({ agentWorker }) => {
      if (agentWorker === undefined || isSignInPage(agentWorker)) return NO_WORKER;
      const { status, body } = agentWorker;
      if (status < 300)
        return 'The agent answers without a ticket: its worker routes past the gate. Use createGate in its entry file.';
      if (status === 404)
        return 'The agent worker has no such agent. Deploy it from the same agents.ts, and check AGENT_WORKER_URL.';
      return status === 401 && Object(body?.error).code === 'UNAUTHORIZED'
        ? undefined
        : `The agent worker answers ${status} without a ticket, in place of 401. See its log.`;
    },
  },
  {
    name: 'clock of the agent worker',
    look: (facts) => {
      const at = Date.parse(facts.agentWorker?.headers.get('date') ?? '');
      if (Number.isNaN(at)) return NO_WORKER;
      return isOff(at, facts)
        ? 'The clocks of the agent worker and of this machine differ. Set the wrong one by NTP.'
        : undefined;
    },
  },
  {
    name: 'a socket opens',
    look: ({ socket, agentWorker }) => {
      if (socket === undefined || agentWorker === undefined) return NO_WORKER;
      if (socket.admitted) return undefined;
      return `The agent refused a good ticket (${socket.text}). ${remedyOfClose(socket.code)}`;
    },
  },
  {
    name: 'origin at the broker',
    look: ({ origin, brokerPreflight }) => {
      if (origin === undefined) return NO_ORIGIN;
      if (brokerPreflight === undefined) return skipped('The broker does not answer.');
      return brokerPreflight.headers.get('access-control-allow-origin') === origin
        ? undefined
        : `Pages of ${origin} get no ticket. Add the origin to ALLOWED_ORIGINS of the broker.`;
    },
  },
  {
    name: 'origin at the agent worker',
    look: ({ origin, agentWorkerFromOrigin }) => {
      if (origin === undefined) return NO_ORIGIN;
      if (agentWorkerFromOrigin === undefined) return NO_WORKER;
      const { status } = agentWorkerFromOrigin;
      if (status === 403)
        return `Pages of ${origin} open no socket. Add the origin to ALLOWED_ORIGINS of the agent worker.`;
      return status === 401 ? undefined : skipped(`The agent worker answers ${status} in place of 401.`);
    },
  },
];

function remedyOfClose(code: number | undefined): string {
  switch (code) {
    case undefined:
      return 'Something in front of it does not let WebSockets through: an Access application, or a proxy.';
    case 4001:
      return 'Compare ISSUER and TICKET_AUDIENCE of both, character by character.';
    case 4003:
      return 'A lock is in force, or the address is of another instance: see "agent-ticket locks list".';
    case 1013:
      return 'It does not reach the keys of the broker: check its service binding BROKER, or BROKER_JWKS_URL. Or its clock is behind.';
    case 3000:
      return 'Its clock is ahead of the clock of the broker, or something showed the ticket before.';
    default:
      return 'See its log.';
  }
}
