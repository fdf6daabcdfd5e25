import type { Recall } from '@agent-ticket/drizzle/record/recalls.ts';
import type { ControlCommand } from '@agent-ticket/shared/control.ts';
import { type Target, targetName } from '@agent-ticket/shared/target.ts';

/**
 * What a command takes from tickets that are out and were not shown yet: those issued until `issuedBy`, in ms, open and
 * renew nothing any more. Rights are read after a request has come and its ticket says when that was, so a ticket with
 * rights from before says so. One of the very same millisecond may be from either side, and counts as from before: its
 * holder has to ask again, and the other way it would keep what was taken. This holds as far as the clocks of brokers
 * agree: a ticket of one that is ahead looks younger by as much. No margin is added, as a new ticket must be good at
 * once; a lock has no such gap.
 *
 * A lock refuses such tickets by standing, a deletion by what the object remembers; and a session has used its own.
 */
export function recallOf(command: ControlCommand, issuedBy: number): Recall | undefined {
  switch (command.op) {
    case 'refresh': {
      const { agent, instance, principal } = command;
      const target: Target =
        instance === undefined ? { kind: 'agent', agent } : { kind: 'instance', agent, instance };
      return { target: targetName(target), principal, issuedBy };
    }
    case 'terminate':
      return command.target.kind === 'session' ? undefined : { target: targetName(command.target), issuedBy };
    case 'lock':
    case 'unlock':
    case 'destroy':
    case 'reconcile':
      return undefined;
  }
}
