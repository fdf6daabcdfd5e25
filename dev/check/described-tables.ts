import { PUBLISHED, SIGNING } from '@agent-ticket/broker/src/keys/schedule.ts';
import { CLAIM_LAPSES_MS, MAX_CLAIMS, RULE_NAMES } from '@agent-ticket/broker/src/mint/policy.ts';
import { AUDIT_TYPES, type AuditType } from '@agent-ticket/shared/audit-event.ts';
import * as limits from '@agent-ticket/shared/limits.ts';
import { SERIES } from '@agent-ticket/shared/metrics.ts';
import { code, table } from './markdown.ts';

export const policyRules = (): string => RULE_NAMES.map((name, index) => `${index + 1}. ${name}`).join('\n');

export const claimLimits = (): string =>
  table(
    ['first users', 'value'],
    [
      ['instances that one user may claim', MAX_CLAIMS],
      ['a claim that nobody used may lapse after', `${CLAIM_LAPSES_MS / 60_000} minutes`],
    ],
  );

const seconds = (value: number): string => `${value} s`;
const { TICKET_TTL_SECONDS, CLOCK_SKEW_SECONDS, SESSION_SECONDS, SESSION_ABSOLUTE_SECONDS, KEY_SET } = limits;

/** The longest duration of each kind of harm, by the limits that bound it. */
export const exposure = (): string =>
  table(
    ['what happened', 'what it is good for', 'at the longest', 'what ends it sooner'],
    [
      [
        'a ticket leaked',
        'one session on one instance, if it is shown before its owner shows it',
        `${seconds(TICKET_TTL_SECONDS.default + CLOCK_SKEW_SECONDS)} to be shown (${seconds(TICKET_TTL_SECONDS.max + CLOCK_SKEW_SECONDS)} where a client asked for the longest life), then ${seconds(SESSION_SECONDS)} as a session; it cannot be renewed without a credential`,
        'the owner showing it first; a lock; ending the session',
      ],
      [
        'a user was disabled upstream',
        'what the user had',
        `until the foreign token ends, then ${seconds(SESSION_SECONDS)} for a session; ${seconds(SESSION_ABSOLUTE_SECONDS)} is the absolute life of one`,
        'a lock on the principal; back-channel logout',
      ],
      [
        'a grant was deleted, or somebody signed out',
        'nothing: tickets from before open and renew nothing, sockets are closed by the receipt',
        `from a second after the answer on; while the record database is away ${seconds(TICKET_TTL_SECONDS.max + CLOCK_SKEW_SECONDS)} to be shown, then until it is back, ${seconds(SESSION_SECONDS)} at most`,
        'a lock on the instance, which its object keeps',
      ],
      [
        'a service token leaked',
        'tickets and calls with its tier, permissions, agents and grants',
        'until its `expires_at`, for ever where it has none',
        'revoking it: no new ticket at once, its sockets closed by the receipt, its last tickets open and renew nothing',
      ],
      [
        'the control database was stolen',
        'reading who may do what; no secret and no private key without `TOKEN_PEPPER` and `KEK`',
        'for ever, for what was read',
        'nothing to end: signing keys are sealed, service tokens are digests under a pepper',
      ],
      [
        'the control database was written to',
        'grants, locks and service tokens as the writer likes; no signing key, as it must open under `KEK`',
        `tickets until it is noticed, each session ${seconds(SESSION_SECONDS)}`,
        'a lock on everything; restoring the database',
      ],
      [
        'a signing key leaked',
        'tickets for anybody',
        `${seconds(KEY_SET.freshMs / 1000)} after its revocation while the broker answers verifiers, else ${seconds(KEY_SET.staleMs / 1000)}`,
        'revoking it also closes the sockets that it carried',
      ],
      [
        'code of an agent is malicious',
        'its own state, its own clients’ frames, and the record database, which grants nothing; no credential, no key and no policy is in its worker',
        'until it is deployed anew',
        'a lock on the agent: no ticket, no socket',
      ],
    ],
  );

/** Complete by its type: an event without a description does not compile. */
const AUDIT_DESCRIPTIONS: Readonly<Record<AuditType, string>> = {
  'ticket.issued': 'a ticket was made; written before it leaves',
  'ticket.denied': 'a verified principal was refused a ticket',
  'ticket.used': 'a ticket opened a session',
  'ticket.replayed':
    'a used ticket was shown again; one for each ticket, with its number of showings (`replays`) and both presenters',
  'ticket.revoked': 'a ticket was revoked by `POST /revoke`; the principal is the caller',
  'session.opened': 'a socket or stream was let in',
  'session.renewed': 'a session went on with a new ticket',
  'session.closed': 'a session ended',
  'session.terminated': 'an operator or the principal ended a session',
  'callback.used': 'a request without a ticket was let in by a callback',
  'worker.called': 'the worker’s own code called an agent under a name of the registry',
  'rpc.denied': 'a frame lacked its scope',
  'rate.limited': 'a limit was met; once for each window',
  'key.created': 'the first key of a purpose was made',
  'key.rotated': 'the next key was made',
  'key.revoked': 'a key was taken away for good',
  'key.resealed': 'keys were sealed with the present `KEK`',
  'service_token.created': 'a service token was made',
  'service_token.rotated': 'it got a new secret',
  'service_token.secret_ended': 'the secret that a rotation has replaced died before its grace time was over',
  'service_token.revoked': 'both its secrets died',
  'grant.created': 'somebody was given a role',
  'grant.deleted': 'it was taken back',
  'lock.created': 'a principal, agent, instance or more was locked',
  'lock.lifted': 'a lock was lifted',
  'agent.deleted': 'an instance was destroyed by its owner',
  'webhook.created': 'events are sent to a receiver from then on',
  'webhook.redelivered': 'an operator had events sent again, or left some out',
  'webhook.deleted': 'a receiver gets no more events',
  'login.succeeded': 'a person signed in at the broker',
  'login.ended': 'that session ended: signed out here, or at the issuer',
  'principal.forgotten': 'the label, sign-ins and grants of a principal were deleted',
  'admin.read': 'somebody read this log',
  'audit.purged': 'retention deleted the events named; written before',
  'audit.accepted': 'an operator accepted that the log goes on from another end than the noted one',
};

export const auditTypes = (): string =>
  table(
    ['type', 'what happened'],
    AUDIT_TYPES.map((type) => [code(type), AUDIT_DESCRIPTIONS[type]]),
  );

/** Where a series comes from: the text of a broker on Node, and the points on Workers. */
const METRIC_SOURCES = {
  broker: { node: 'process', workers: 'broker' },
  databases: { node: 'deployment', workers: 'broker' },
  sessions: { node: 'deployment', workers: 'agent worker' },
  gate: { node: 'none', workers: 'agent worker' },
} as const;

/** The series of broker and agent worker. */
export const metrics = (): string =>
  table(
    ['series', 'type', 'labels', 'on Node', 'points of', 'what it says'],
    Object.entries(SERIES).map(([name, { type, labels, help, source }]) => [
      code(name),
      type,
      labels.map(code).join(', '),
      METRIC_SOURCES[source].node,
      METRIC_SOURCES[source].workers,
      help.replace(/^\w/, (letter) => letter.toLowerCase()).replace(/\.$/, ''),
    ]),
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
