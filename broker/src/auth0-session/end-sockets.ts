import type { PrincipalId } from '@agent-ticket/shared/names.ts';
import { recordAct } from '../audit/act.ts';
import type { CallFacts } from '../http/call.ts';
import type { BrokerPorts } from '../ports.ts';
import { order } from '../termination.ts';

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
  const who = { principal: { id: principal } };
  await recordAct(ports, { ...call, who }, 'login.ended', { details: { by } });
  await order({ op: 'terminate', target: { kind: 'principal', id: principal } }, ports.termination);
}
