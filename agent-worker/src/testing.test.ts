import { DENIALS } from '@agent-ticket/shared/denial.ts';
import { readKeySet } from '@agent-ticket/shared/key-set.ts';
import { err, ok } from '@agent-ticket/shared/outcome.ts';
import { CONNECT } from '@agent-ticket/shared/scope.ts';
import { TICKET_ALGORITHMS } from '@agent-ticket/shared/ticket.ts';
import { verifyTicket } from '@agent-ticket/shared/verify-ticket.ts';
import { decodeJwt } from 'jose';
import { expect, it } from 'vitest';
import { AGENTS } from '../../agents.ts';
import { createTestIssuer, makeSigner, TICKET_FAULTS } from './testing.ts';

const NOW = 1_700_000_000_000;
const PLACE = { issuer: 'https://broker.example', audience: 'agents.example' };
const ROOM = { agent: 'counter', instance: 'room-1' };

const issuer = await createTestIssuer({
  ...PLACE,
  agents: AGENTS,
  clock: () => NOW,
});

/** The verifier of the gate, with the keys that the issuer publishes. */
async function verdict(ticket: string, from = issuer): Promise<string> {
  const answer = from.fetch(new Request(`${PLACE.issuer}/.well-known/jwks.json`));
  const keys = await readKeySet(new Uint8Array(await answer.arrayBuffer()), TICKET_ALGORITHMS);
  const outcome = await verifyTicket(ticket, {
    ...PLACE,
    nowSeconds: NOW / 1000,
    route: ROOM,
    scope: CONNECT,
    transport: 'websocket',
    findKey: async (kid) => {
      const key = keys?.get(kid);
      return key === undefined ? err('ticket_key_unknown') : ok(key);
    },
  });
  return outcome.ok ? 'accepted' : outcome.denial.reason;
}

it('a ticket without a fault is accepted', async () => {
  expect(await verdict(await issuer.ticket(ROOM))).toBe('accepted');
});

it.each(TICKET_FAULTS)(
  'a ticket with the fault $fault is refused with $reason',
  async ({ fault, reason }) => {
    expect(await verdict(await issuer.faulty(fault, ROOM))).toBe(reason);
    // Also of an issuer whose keys have the other algorithm.
    const signers = [await makeSigner('Ed25519')] as const;
    const other = await createTestIssuer({ ...PLACE, agents: AGENTS, clock: () => NOW, signers });
    expect(await verdict(await other.faulty(fault, ROOM), other)).toBe(reason);
  },
);

it('each refusal of a ticket that needs nothing but the ticket has a fault', () => {
  const ofRequests = ['ticket_missing', 'ticket_delivered_twice', 'ticket_delivery_not_allowed'];
  const ofObjects = ['ticket_used', 'ticket_replayed', 'ticket_predates_object'];
  const ofTickets = Object.keys(DENIALS).filter(
    (reason) => reason.startsWith('ticket_') && ![...ofRequests, ...ofObjects].includes(reason),
  );
  expect([...new Set(TICKET_FAULTS.map(({ reason }) => reason))].toSorted()).toEqual(ofTickets.toSorted());
});

it('a role has the scopes that the registry gives it, and claims of a test come before', async () => {
  const owner = decodeJwt(await issuer.ticket({ ...ROOM, role: 'owner' }));
  expect(String(owner.scope).split(' ')).toContain('agent:rpc:*');
  expect(decodeJwt(await issuer.ticket({ ...ROOM, scope: 'agent:connect', tier: undefined }))).toMatchObject({
    scope: 'agent:connect',
    role: 'viewer',
  });
});

it('publishes its keys where the broker does, and nothing elsewhere', () => {
  expect(issuer.fetch(new Request(`${PLACE.issuer}/tickets`)).status).toBe(404);
});
