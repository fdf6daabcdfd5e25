import type { AuditEvent } from '@agent-ticket/shared/audit-event.ts';
import type { TicketId } from '@agent-ticket/shared/names.ts';
import { formatScope } from '@agent-ticket/shared/scope.ts';
import { auditEventOf } from '../audit/act.ts';
import type { Authenticated } from '../credentials/principal.ts';
import type { RequestContext } from '../http/call.ts';
import { type Decision, POLICY_VERSION } from './policy.ts';
import type { NamedRequest } from './ticket-request.ts';

/** What the audit log keeps of a decision about a ticket, by whom and for where. */
export function ticketEvent(
  who: Authenticated,
  request: NamedRequest,
  call: RequestContext,
  decision: Decision,
  ids: { readonly eventId: string; readonly jti: TicketId; readonly kid: string | undefined },
): AuditEvent {
  const { agent, instance } = request;
  const onBehalf = {
    ...(who.act === undefined ? {} : { actor: who.act.sub }),
    ...(who.client === undefined ? {} : { client_id: who.client.id }),
  };
  const by = { ...call, who };
  return decision.allowed
    ? {
        ...auditEventOf(by, 'ticket.issued', ids.eventId, { agent, instance }),
        policyVersion: POLICY_VERSION,
        jti: ids.jti,
        kid: ids.kid,
        details: {
          method: who.method,
          role: decision.role,
          scope: formatScope(decision.scope),
          transport: request.transport,
          ...onBehalf,
        },
      }
    : {
        ...auditEventOf(by, 'ticket.denied', ids.eventId, { agent, instance }),
        policyVersion: POLICY_VERSION,
        outcome: 'denied',
        code: decision.reason,
        details: { method: who.method, ...onBehalf },
      };
}
