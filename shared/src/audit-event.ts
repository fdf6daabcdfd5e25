import type { PrincipalId, TicketId } from './names.ts';

/** The types of audit events. */
export const AUDIT_TYPES = [
  'ticket.issued',
  'ticket.denied',
  'ticket.used',
  'ticket.replayed',
  'ticket.revoked',
  'session.opened',
  'session.renewed',
  'session.closed',
  'session.terminated',
  'callback.used',
  'worker.called',
  'rpc.denied',
  'rate.limited',
  'key.created',
  'key.rotated',
  'key.revoked',
  'key.resealed',
  'service_token.created',
  'service_token.rotated',
  'service_token.secret_ended',
  'service_token.revoked',
  'grant.created',
  'grant.deleted',
  'lock.created',
  'lock.lifted',
  'agent.deleted',
  'webhook.created',
  'webhook.redelivered',
  'webhook.deleted',
  'login.succeeded',
  'login.ended',
  'principal.forgotten',
  'admin.read',
  'audit.purged',
  'audit.accepted',
] as const;
export type AuditType = (typeof AUDIT_TYPES)[number];

/**
 * One event, with the same shape for success and failure. Contains a ticket's `jti`, never the ticket. Contains no
 * e-mail address, except where an operator wrote one into a text of `details`.
 */
export interface AuditEvent {
  /** UUID given by the source, so that a delivery may be repeated. */
  readonly eventId: string;
  /** Milliseconds since 1970 at the source. */
  readonly at: number;
  readonly type: AuditType;
  readonly outcome: 'success' | 'denied';
  /** Denial reason or close reason, where there is one. */
  readonly code?: string | undefined;
  readonly principal?: PrincipalId | undefined;
  readonly agent?: string | undefined;
  readonly instance?: string | undefined;
  readonly jti?: TicketId | undefined;
  readonly sessionId?: string | undefined;
  readonly kid?: string | undefined;
  readonly ipAddress?: string | undefined;
  readonly userAgent?: string | undefined;
  readonly requestId?: string | undefined;
  /** Which policy decided. */
  readonly policyVersion?: string | undefined;
  /** Small, flat and free of secrets. */
  readonly details?: Readonly<Record<string, string | number | boolean>> | undefined;
}
