import { present } from '@agent-ticket/shared/handshake.ts';
import { formatScope } from '@agent-ticket/shared/scope.ts';
import type { IssuedTicket } from './issue.ts';

/** What `POST /tickets` answers. */
export interface TicketAnswer {
  readonly ticket: string;
  readonly expires_in: number;
  readonly expires_at: string;
  readonly jti: string;
  readonly agent: string;
  readonly instance: string;
  readonly scope: string;
  readonly role: string;
  readonly session_expires_at: string;
  readonly url: string;
  readonly protocols: readonly [string, string];
}

export function answerOf(
  { ticket, claims }: IssuedTicket,
  nowSeconds: number,
  agentWorkerUrl: string,
): TicketAnswer {
  const socketUrl = new URL(`/agents/${claims.agent}/${claims.instance}`, agentWorkerUrl);
  socketUrl.protocol = socketUrl.protocol === 'https:' ? 'wss:' : 'ws:';
  return {
    ticket,
    expires_in: claims.exp - nowSeconds,
    expires_at: new Date(claims.exp * 1000).toISOString(),
    jti: claims.jti,
    agent: claims.agent,
    instance: claims.instance,
    scope: formatScope(claims.scope),
    role: claims.role,
    session_expires_at: new Date(claims.session_expiry * 1000).toISOString(),
    ...present(socketUrl.href, ticket),
  };
}
