import type { PrincipalId } from '@agent-ticket/shared/names.ts';
import type { CallFacts } from '../http/call.ts';
import type { BrokerPorts } from '../ports.ts';
import { carryOut, outboxRow } from '../termination.ts';

/**
 * Records that somebody signed out, then ends every socket of that person. A ticket does not say by which sign-in it
 * was minted, so sockets of the same person's other sign-ins close too and have to come back with a new ticket.
 */
export async function endSockets(
  principal: PrincipalId,
  by: 'logout' | 'back-channel',
  call: CallFacts,
  ports: BrokerPorts,
): Promise<void> {
  const target = { kind: 'principal', id: principal } as const;
  const pending = { id: ports.randomId(), command: { op: 'terminate', target } as const, before: call.now };
  await ports.ledger.settle(principal, {
    event: {
      eventId: ports.randomId(),
      at: call.now,
      type: 'login.ended',
      outcome: 'success',
      principal,
      ipAddress: call.ipAddress ?? undefined,
      userAgent: call.userAgent ?? undefined,
      requestId: call.requestId,
      details: { by },
    },
  });
  await ports.termination.outbox.insert(outboxRow(pending));
  await carryOut(pending, ports.termination);
}
