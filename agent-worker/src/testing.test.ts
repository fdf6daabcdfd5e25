import { DENIALS } from '@agent-ticket/shared/denial.ts';
import { readKeySet } from '@agent-ticket/shared/key-set.ts';
import { err, ok } from '@agent-ticket/shared/outcome.ts';
import { CONNECT } from '@agent-ticket/shared/scope.ts';
import { TICKET_ALGORITHMS } from '@agent-ticket/shared/ticket.ts';
import { verifyTicket } from '@agent-ticket/shared/verify-ticket.ts';
import { expect, it } from 'vitest';
import { AGENTS } from '../../agents.ts';
import { createTestIssuer, makeSigner, TICKET_FAULTS } from './testing.ts';

const NOW = 1_700_000_000_000;
const PLACE = { issuer: 'https://broker.example', audience: 'agents.example' };
const INSTANCE = { agent: 'counter', instance: 'one' };

const issuer = await createTestIssuer({
  ...PLACE,
  agents: AGENTS,
  clock: () => NOW,
});

/** The verifier of the gate, with the keys that the issuer publishes. */
async function verify(ticket: string, from = issuer): ReturnType<typeof verifyTicket> {
  const answer = from.fetch(new Request(`${PLACE.issuer}/.well-known/jwks.json`));
  const keys = await readKeySet(new Uint8Array(await answer.arrayBuffer()), TICKET_ALGORITHMS);
  return verifyTicket(ticket, {
    ...PLACE,
    nowSeconds: NOW / 1000,
    route: INSTANCE,
    scope: CONNECT,
    transport: 'websocket',
    findKey: async (kid) => {
      const key = keys?.get(kid);
      return key === undefined ? err('ticket_key_unknown') : ok(key);
    },
  });
}

const refusal = (reason: string) => ({ ok: false, denial: { reason } });

it('a ticket without a fault is accepted', async () => {
  expect(await verify(await issuer.ticket(INSTANCE))).toMatchObject({
    ok: true,
    value: { claims: INSTANCE },
  });
});

it.each(TICKET_FAULTS)(
  'a ticket with the fault $fault is refused with $reason',
  async ({ fault, reason }) => {
    expect(await verify(await issuer.faulty(fault, INSTANCE))).toMatchObject(refusal(reason));
    // Also of an issuer whose keys have the other algorithm.
    const signers = [await makeSigner('Ed25519')] as const;
    const other = await createTestIssuer({ ...PLACE, agents: AGENTS, clock: () => NOW, signers });
    expect(await verify(await other.faulty(fault, INSTANCE), other)).toMatchObject(refusal(reason));
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
  expect(await verify(await issuer.ticket({ ...INSTANCE, role: 'owner' }))).toMatchObject({
    value: { claims: { role: 'owner', scope: expect.arrayContaining(['agent:connect', 'agent:rpc:*']) } },
  });
  expect(
    await verify(await issuer.ticket({ ...INSTANCE, scope: 'agent:connect', client_id: 'svc' })),
  ).toMatchObject({
    value: { claims: { role: 'viewer', scope: ['agent:connect'], client_id: 'svc' } },
  });
});

it('publishes its keys where the broker does, and nothing elsewhere', () => {
  expect(issuer.fetch(new Request(`${PLACE.issuer}/tickets`)).status).toBe(404);
});
