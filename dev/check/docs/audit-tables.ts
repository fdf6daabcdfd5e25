import { PUBLISHED, SIGNING } from '@agent-ticket/broker/src/keys/schedule.ts';
import { AUDIT_TYPES, type AuditType } from '@agent-ticket/shared/audit-event.ts';
import { code, table } from './table.ts';

/** Complete by its type: an event that nothing is said about does not compile. */
const WORDS: Readonly<Record<AuditType, string>> = {
  'ticket.issued': 'a ticket was made; written before it leaves',
  'ticket.denied': 'a verified principal was refused a ticket',
  'ticket.used': 'a ticket opened a session',
  'ticket.replayed':
    'a used ticket was shown again; one for each ticket, with its number of showings (`replays`) and both presenters',
  'session.opened': 'a socket or stream was let in',
  'session.renewed': 'a session went on with a new ticket',
  'session.closed': 'a session ended',
  'session.terminated': 'an operator or the principal ended a session',
  'rpc.denied': 'a frame lacked its scope',
  'rate.limited': 'a limit was met; once for each window',
  'key.created': 'the first key of a purpose was made',
  'key.rotated': 'the next key was made',
  'key.revoked': 'a key was taken away for good',
  'key.resealed': 'keys were sealed with the present `KEK`',
  'service_token.created': 'a service token was made',
  'service_token.rotated': 'it got a new secret',
  'service_token.revoked': 'both its secrets died',
  'grant.created': 'somebody was given a role',
  'grant.deleted': 'it was taken back',
  'lock.created': 'a principal, agent, instance or more was locked',
  'lock.lifted': 'a lock was lifted',
  'agent.deleted': 'an instance was destroyed by its owner',
  'login.succeeded': 'a person signed in at the broker',
  'login.ended': 'that session ended: signed out here, or at the issuer',
  'admin.read': 'somebody read this log',
  'audit.purged': 'retention deleted the events named; written before',
};

export const auditTypes = (): string =>
  table(
    ['type', 'what happened'],
    AUDIT_TYPES.map((type) => [code(type), WORDS[type]]),
  );

export const keyStates = (): string =>
  table(
    ['state', 'signs', 'published'],
    (['pending', 'active', 'retiring', 'retired', 'revoked'] as const).map((state) => [
      code(state),
      state === SIGNING ? 'yes' : 'no',
      PUBLISHED.includes(state) ? 'yes' : 'no',
    ]),
  );
