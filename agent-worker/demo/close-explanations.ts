import { CLOSES, type CloseReason } from '@agent-ticket/shared/denial.ts';

interface Explanation {
  readonly why: string;
  readonly next: string;
}

/** The cause of a close, the reaction of a client, and the next step of a person. */
interface CloseExplanation extends Explanation {
  readonly client?: string;
}

const AGAIN = 'Get another ticket in step 2.';
const EXPLANATIONS: Readonly<Record<CloseReason, Explanation>> = {
  ticket_expired: { why: 'The ticket ran out before it was shown.', next: AGAIN },
  ticket_used: { why: 'This ticket has opened its one session, so it opens no other.', next: AGAIN },
  session_expired: {
    why: 'The session has ended with the rights behind it: an hour, a sign-in or a grant was over, and nothing renewed it.',
    next: AGAIN,
  },
  rights_changed: { why: 'The rights of this session were changed.', next: AGAIN },
  bad_request: {
    why: 'The request was not well formed: an instance name, a method, or two tickets at once.',
    next: 'Look at the address, or start again from step 2.',
  },
  unauthorized: {
    why: 'The ticket is missing, altered, long expired, or signed by nobody that this worker trusts.',
    next: `${AGAIN} If this one was pasted, look whether all of it is there.`,
  },
  forbidden: {
    why: 'Not allowed: the ticket is for another agent, instance or use, this page’s address is not listed, or a lock is in force.',
    next: 'Open this page at the address that npm start printed, and use a ticket for this agent.',
  },
  not_found: { why: 'There is no such agent or instance here.', next: 'Choose another agent in step 2.' },
  idle: { why: 'Nobody said anything for a long time.', next: AGAIN },
  frame_too_large: { why: 'A frame was larger than this agent takes.', next: `Send less. ${AGAIN}` },
  too_many_messages: {
    why: 'There were more messages in a second than this agent takes, or too many that it refused.',
    next: AGAIN,
  },
  internal: { why: 'Something broke in the worker; its log has the details.', next: AGAIN },
  restarting: { why: 'The agent is being restarted.', next: `Wait a moment. ${AGAIN}` },
  rate_limited: { why: 'There were too many tries.', next: `Wait a moment. ${AGAIN}` },
  too_many_sockets: {
    why: 'You have as many sockets open as this agent allows.',
    next: 'Disconnect one of them.',
  },
  unavailable: {
    why: 'The worker could not get the keys to verify the ticket with.',
    next: 'Look whether the broker runs, then try again.',
  },
};

/** For sessions that had been open. */
const ENDED: Partial<Readonly<Record<CloseReason, Explanation>>> = {
  forbidden: {
    why: 'The session was ended from outside: by its own person elsewhere, by a sign-out, by an operator or a lock.',
    next: `${AGAIN} While a lock is in force, the broker refuses that, too.`,
  },
};

const isCloseReason = (reason: string): reason is CloseReason => Object.hasOwn(CLOSES, reason);

/** Explains the close of a socket by the table of both workers. `admitted`: it had been open. */
export function explainClose(code: number, reason: string, admitted = false): CloseExplanation {
  if (isCloseReason(reason) && CLOSES[reason].code === code) {
    const explanation = (admitted ? ENDED[reason] : undefined) ?? EXPLANATIONS[reason];
    return { ...explanation, client: `A client that receives ${code} ${CLOSES[reason].client}.` };
  }
  return {
    why: 'The connection ended without a word from the worker.',
    next: `Look whether the worker runs and the network is there. ${AGAIN}`,
  };
}
