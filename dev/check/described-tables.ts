import { FOREIGN_SESSION_MAX_SECONDS } from '@agent-ticket/broker/src/credentials/auth0-session.ts';
import { PUBLISHED, REVOKED_KEY_SECONDS, SIGNING } from '@agent-ticket/broker/src/keys/schedule.ts';
import { CLAIM_LAPSES_MS, MAX_CLAIMS, RULE_NAMES } from '@agent-ticket/broker/src/mint/policy.ts';
import { SIGN_IN_SECONDS } from '@agent-ticket/broker/src/sign-in/callback.ts';
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
const { TICKET_TTL_SECONDS, CLOCK_SKEW_SECONDS, SESSION_SECONDS, SESSION_ABSOLUTE_SECONDS } = limits;

const SHOWN = seconds(TICKET_TTL_SECONDS.default + CLOCK_SKEW_SECONDS);
const SHOWN_MOST = seconds(TICKET_TTL_SECONDS.max + CLOCK_SKEW_SECONDS);
const SESSION = seconds(SESSION_SECONDS);
const KEYS_SEALED = '[test](../../broker/src/keys/seal.test.ts)';
const LEAKS = '[steps](../operate/leaks.md)';

/** The longest duration of each kind of harm, by the limits that bound it. */
export const exposure = (): string =>
  table(
    ['what happened', 'what it is good for', 'at the longest', 'what ends it sooner', 'shown by'],
    [
      [
        'a ticket leaked',
        'within its scopes: [plain requests](../reference/frames.md#plain-requests) to its instance, any number, while no session of it has ended; and one session, if nobody opened one by it before',
        `${SHOWN} from its making for both (${SHOWN_MOST} where a client asked for the longest life), then ${SESSION} as a session; it cannot be renewed without a credential`,
        'a lock on it, or the end of its session, ends both; its owner, who connects first, takes the session alone',
        '[requests](../../agent-worker/test/plain-requests.test.ts), [one session](../../agent-worker/test/admission.test.ts)',
      ],
      [
        'a sign-in’s session cookie was stolen',
        'what its person may: tickets, and calls of the API with the permissions of the person',
        `${seconds(SIGN_IN_SECONDS)} from the sign-in (${seconds(FOREIGN_SESSION_MAX_SECONDS)} for the cookie of an application that shares the key), then ${SESSION} as a session`,
        'a sign-out of the person everywhere; `sessions end --sign-out` of an operator. A lock holds while it stands: after that the cookie is good again',
        `${LEAKS}, [test](../../broker/test/node/auth0-session/sign-out.test.ts)`,
      ],
      [
        'a profile of the command line was copied',
        'what its person may: it holds an access token, and a refresh token at the issuer; or a client secret, as below',
        'as long as the issuer takes its refresh token',
        'a lock on the person, and the end of the refresh token at the issuer; `sessions end --sign-out` refuses the access tokens from before, and a refreshed one is newer',
        `${LEAKS}, [test](../../broker/test/node/signed-out.test.ts)`,
      ],
      [
        'a user was disabled upstream',
        'what the user had',
        `until the foreign token ends, then ${SESSION} for a session; ${seconds(SESSION_ABSOLUTE_SECONDS)} is the absolute life of one`,
        'a lock on the principal; back-channel logout',
        '[test](../../broker/test/node/auth0-session/back-channel.test.ts)',
      ],
      [
        'a grant was deleted, or somebody signed out',
        'nothing: tickets from before open and renew nothing, sockets are closed by the receipt',
        `from a second after the answer on; while the record database is away ${SHOWN_MOST} to be shown, then until it is back, ${SESSION} at most`,
        'a lock on the instance, which its object keeps',
        '[test](../../agent-worker/test/revoked-tickets.test.ts)',
      ],
      [
        'a service token leaked, of a CI job, for example',
        'tickets and calls with its tier, permissions, agents and grants',
        'until its `expires_at`, for ever where it has none',
        'revoking it: no new ticket at once, its sockets closed by the receipt, its last tickets open and renew nothing',
        '[test](../../broker/test/node/admin/service-tokens.test.ts)',
      ],
      [
        'a deploy token of CI leaked (`CLOUDFLARE_API_TOKEN`)',
        'code of the thief in both workers, and so every secret of the deployment',
        'until it expires at Cloudflare',
        'ending it there, then replacing every secret',
        '[its rights](../deploy/ci.md#the-api-token)',
      ],
      [
        'the control database was stolen',
        'who may do what, addresses of people, claims and groups of their sign-ins; no secret and no private key without `TOKEN_PEPPER` and `KEK`',
        'for ever, for what was read',
        'nothing to end: signing keys are sealed, service tokens are digests under a pepper',
        `[its data](../operate/personal-data.md), ${KEYS_SEALED}`,
      ],
      [
        'the control database was written to',
        'grants, locks, and rights of service tokens that exist, as the writer likes; new service tokens only with `TOKEN_PEPPER`, and no signing key, as it must open under `KEK`',
        `tickets until it is noticed, each session ${SESSION}`,
        'a lock on everything; restoring the database',
        KEYS_SEALED,
      ],
      [
        'the record database was read',
        'sessions and audit log: principals, addresses, user agents, names of instances; no label, no credential, no ticket',
        'for ever, for what was read',
        'nothing to end',
        '[its data](../operate/personal-data.md), [test](../../dev/e2e/secrecy.test.ts)',
      ],
      [
        'the record database was written to',
        'hiding revocations from gates, so that tickets from before open until they expire and sessions stay until theirs; refusing tickets; false rows of sessions and events, which a verification of the log shows; no ticket and no role',
        'until it is noticed, each session 3600 s',
        'a lock on the instance, which its object keeps; restoring the database',
        '[restore](../operate/restore.md), [test](../../broker/test/audit-proof.test.ts)',
      ],
      [
        '`KEK` leaked alone',
        'nothing; with the control database every signing key and every secret of a webhook',
        'until the keys are resealed; keys that the thief read, until they are revoked',
        'a new `KEK`, then resealing',
        `[steps](../operate/keys.md#a-new-kek), ${KEYS_SEALED}`,
      ],
      [
        '`TOKEN_PEPPER` leaked alone',
        'nothing: a digest of 256 random bits is not guessed; who can write the control database makes service tokens by it',
        'until another one is set',
        'another pepper, and every service token made anew',
        `${LEAKS}, [test](../../broker/src/credentials/secret.test.ts)`,
      ],
      [
        '`AUTH0_SESSION_ENCRYPTION_KEY` leaked',
        'cookies for anybody of the tenant, with claims of the maker’s choice, and so the rights of any person; reading the cookies of applications that share it',
        'for ever',
        'another key: everybody signs in again',
        `${LEAKS}, [test](../../broker/test/node/auth0-session/stock-session.test.ts)`,
      ],
      [
        '`CALLBACK_KEY` leaked alone',
        'nothing: an object takes ids of URLs that it made alone; with such an id, which the audit log has, that URL',
        'until that URL expires, a year at most',
        'another key, without `CALLBACK_KEY_PREVIOUS`',
        `[rotation](../policy/callbacks.md), [test](../../agent-worker/test/callback-attacks.test.ts)`,
      ],
      [
        'a signing key leaked',
        'tickets for anybody',
        `until it is revoked: a second later its tickets are refused by the lock on it; where that is not read (the record database is away, or a server of another kind), ${seconds(REVOKED_KEY_SECONDS.reached)} later at a verifier that reaches the key set, and ${seconds(REVOKED_KEY_SECONDS.away)} later at one that does not`,
        'revoking it also closes the sockets that it carried',
        '[limits](../../broker/src/keys/schedule.test.ts), [lock](../../broker/test/key-admin.test.ts)',
      ],
      [
        'an audit key leaked',
        'checkpoints for a log of the thief’s making, if the thief can also change the log or an export of it; no ticket',
        'for ever, for what no anchor from before covers',
        'revoking it, and an anchor elsewhere',
        '[steps](../operate/keys.md#revocation), [test](../../broker/test/key-forgery.test.ts)',
      ],
      [
        'the secret of a webhook leaked',
        'events that its receiver takes for ours; none here',
        'until the webhook is deleted',
        'a second webhook at the receiver, then deleting the first',
        '[steps](../operate/webhooks.md#webhooks), [test](../../broker/test/node/webhooks.test.ts)',
      ],
      [
        'code of an agent is malicious',
        'its own state, its own clients’ frames, and writing the record database (see there); no credential, no key and no policy is in its worker',
        'until it is deployed anew',
        'a lock on the agent: no ticket, no socket',
        '[bundle check](../../dev/check/bundle.test.ts)',
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
