import { CLAIM_LAPSES_MS, MAX_CLAIMS } from '@agent-ticket/broker/src/mint/first-user.ts';
import { RULE_NAMES } from '@agent-ticket/broker/src/mint/policy.ts';
import * as limits from '@agent-ticket/shared/limits.ts';
import { table } from './table.ts';

export const policyRules = (): string => RULE_NAMES.map((name, index) => `${index + 1}. ${name}`).join('\n');

export const claimLimits = (): string =>
  table(
    ['first users', 'value'],
    [
      ['instances that one user may claim', MAX_CLAIMS],
      ['a claim that nobody opened is free again after', `${CLAIM_LAPSES_MS / 60_000} minutes`],
    ],
  );

const seconds = (value: number): string => `${value} s`;
const { TICKET_TTL_SECONDS, CLOCK_SKEW_SECONDS, SESSION_SECONDS, SESSION_ABSOLUTE_SECONDS, KEY_SET } = limits;

/** The longest that each kind of harm goes on, by the limits that bound it. */
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
        `from the answer on; while the record database is away ${seconds(TICKET_TTL_SECONDS.max + CLOCK_SKEW_SECONDS)} to be shown, then until it is back, ${seconds(SESSION_SECONDS)} at most`,
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
