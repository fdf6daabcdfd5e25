import type { CLOSES, CloseReason } from '@agent-ticket/shared/denial.ts';

/** The reason why a socket ended: a reason of the agent worker, or one that the browser or the agent reports. */
export type EndReason = CloseReason | 'closed' | 'connection_lost' | 'other';

/** The end of a socket, as a page can show it. */
export interface End {
  readonly reason: EndReason;
  /** One or two sentences in English, without data of the request. */
  readonly text: string;
}

const AGAIN = 'The page connects again by itself.';

/** The types keep these codes equal to those of the agent worker. An import of its table would include all denials. */
const ENDS = {
  ticket_expired: [3000, `The ticket had expired. ${AGAIN}`],
  ticket_used: [3000, `The ticket was used before. ${AGAIN}`],
  session_expired: [3000, `The session has expired. ${AGAIN}`],
  rights_changed: [3000, `Your rights have changed. ${AGAIN}`],
  bad_request: [4000, 'The request was not valid.'],
  unauthorized: [4001, 'Please sign in.'],
  forbidden: [4003, 'You may not use this agent, or your session was ended.'],
  not_found: [4004, 'There is no such agent.'],
  idle: [4008, 'The session was ended because nothing happened in it.'],
  frame_too_large: [1008, 'The message was larger than the agent accepts.'],
  too_many_messages: [1008, 'There were more messages in a second than the agent accepts.'],
  internal: [1011, `The agent failed. ${AGAIN}`],
  restarting: [1012, `The agent restarts. ${AGAIN}`],
  rate_limited: [1013, `There were too many attempts. ${AGAIN}`],
  too_many_sockets: [1013, `More connections are open than the agent allows. ${AGAIN}`],
  unavailable: [1013, `The agent cannot be reached at the moment. ${AGAIN}`],
} as const satisfies { readonly [R in CloseReason]: readonly [(typeof CLOSES)[R]['code'], string] };

/** The broker's refusals have other reasons (`token_expired`), but the code is enough to describe them. */
const BY_CODE = { 4000: 'bad_request', 4001: 'unauthorized', 4003: 'forbidden', 4004: 'not_found' } as const;

const isCloseReason = (reason: string): reason is CloseReason => Object.hasOwn(ENDS, reason);
const isKnownCode = (code: number): code is keyof typeof BY_CODE => Object.hasOwn(BY_CODE, code);

const endOf = (reason: CloseReason): End => ({ reason, text: ENDS[reason][1] });

/**
 * The reason why a socket ended. Accepts a `CloseEvent`, and `connectionError` of the stock clients. An unknown pair of code
 * and reason is `other`. An agent chooses the code and the reason of its own closes, so do not use the result for a
 * decision: it is a text for a person.
 */
export function describeClose({ code, reason }: { readonly code: number; readonly reason: string }): End {
  if (isCloseReason(reason) && ENDS[reason][0] === code) return endOf(reason);
  if (isKnownCode(code)) return endOf(BY_CODE[code]);
  // PartySocket reports an attempt without an answer in this way. A heartbeat reports a dead connection in this way.
  const isLost = code === 1005 || code === 1006 || (code === 1000 && reason === 'timeout');
  if (isLost) return { reason: 'connection_lost', text: 'The connection was lost.' };
  if (code === 1000 || code === 1001) return { reason: 'closed', text: 'The connection was closed.' };
  return { reason: 'other', text: 'The agent closed the connection.' };
}
