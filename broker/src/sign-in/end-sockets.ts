import type { PrincipalId } from '@agent-ticket/shared/names.ts';
import { recordAct } from '../audit/act.ts';
import type { RequestContext } from '../http/call.ts';
import { carryOut, newCommand, outboxRow, type PendingCommand } from '../revocation/termination.ts';
import type { BrokerPorts } from '../runtime/ports.ts';

/**
 * Writes down that somebody signs out, and the command that ends every socket of that person. Before the sign-in itself
 * ends, so that a logout that is cut off is either told again and finds it standing, or has its command on the way. A
 * ticket does not say by which sign-in it was minted, so sockets of the same person's other sign-ins close too and
 * have to come back with a new ticket.
 */
export async function orderEnd(
  principal: PrincipalId,
  by: 'logout' | 'back-channel',
  call: RequestContext,
  ports: BrokerPorts,
): Promise<PendingCommand> {
  await recordAct(ports, { ...call, who: { principal: { id: principal } } }, 'login.ended', {
    details: { by },
  });
  const { termination } = ports;
  const target = { kind: 'principal', id: principal } as const;
  const command = newCommand({ op: 'terminate', target }, termination.clock(), termination);
  await termination.outbox.insert(outboxRow(command));
  return command;
}

/** Carries the command out. What was opened by the sign-in until it ended is meant too, not what was open before alone. */
export async function endSockets(
  command: PendingCommand,
  { termination }: Pick<BrokerPorts, 'termination'>,
): Promise<void> {
  const before = termination.clock();
  await termination.outbox.reach(command.id, before);
  await carryOut({ ...command, before }, termination);
}
