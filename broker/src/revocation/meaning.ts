import type { lockQueries } from '@agent-ticket/drizzle/control/locks.ts';
import type { serviceTokenQueries } from '@agent-ticket/drizzle/control/service-tokens.ts';
import type { ControlCommand } from '@agent-ticket/shared/control.ts';
import {
  serviceTokenOf,
  type Target,
  targetName,
  targetNamesOfPrincipal,
} from '@agent-ticket/shared/target.ts';
import { clientParty } from '@agent-ticket/shared/ticket.ts';

export interface MeaningPorts {
  /** The locks that stand, which decide what a command about one means. */
  readonly locks: Pick<ReturnType<typeof lockQueries>, 'onTargets'>;
  readonly serviceTokens: Pick<ReturnType<typeof serviceTokenQueries>, 'find'>;
  readonly clock: () => number;
}

/**
 * What a command means now, itself first. About a service token it says the same of sessions in which that is the client
 * beside a subject: their tickets name it as OAuth does, so the other command names it so.
 */
export async function asOfNow(command: ControlCommand, ports: MeaningPorts): Promise<ControlCommand[]> {
  if (command.op !== 'lock' && command.op !== 'unlock' && command.op !== 'terminate') return [command];
  const { target } = command;
  const itself = await about(target, command, [targetName(target)], ports);
  const token = serviceTokenOf(target);
  const clientId = token === undefined ? undefined : (await ports.serviceTokens.find(token))?.clientId;
  if (token === undefined || clientId === undefined) return [itself];
  const client = { kind: 'principal', id: clientParty(clientId) } as const;
  return [itself, await about(client, command, targetNamesOfPrincipal(`token:${token}`), ports)];
}

/**
 * A command about a target. One of locks as the standing locks under these names make it: several may stand, and a
 * command may be carried out long after others came and went. The longest counts; with none the target is free.
 */
async function about(
  target: Target,
  { op }: Extract<ControlCommand, { op: 'lock' | 'unlock' | 'terminate' }>,
  names: readonly string[],
  { locks, clock }: MeaningPorts,
): Promise<ControlCommand> {
  if (op === 'terminate') return { op, target };
  const ends = (await locks.onTargets(names, clock())).map((lock) => lock.expiresAt);
  if (ends.length === 0) return { op: 'unlock', target };
  return { op: 'lock', target, until: ends.includes(null) ? null : Math.max(...ends.map((end) => end ?? 0)) };
}
