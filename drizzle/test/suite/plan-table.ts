import type { SqliteRemoteDatabase } from 'drizzle-orm/sqlite-proxy';
import { authSessionQueries } from '../../control/auth-sessions.ts';
import { deletionQueries } from '../../control/deletions.ts';
import { grantQueries } from '../../control/grants.ts';
import { lockQueries } from '../../control/locks.ts';
import { outboxQueries } from '../../control/outbox.ts';
import { policyQueries } from '../../control/policy.ts';
import type * as controlSchema from '../../control/schema.ts';
import { serviceTokenQueries } from '../../control/service-tokens.ts';
import { signingKeyQueries } from '../../control/signing-keys.ts';
import { usedTokenQueries } from '../../control/used-tokens.ts';
import { checkpointQueries } from '../../record/audit-checkpoints.ts';
import { auditLogQueries } from '../../record/audit-log.ts';
import { invocationQueries } from '../../record/invocations.ts';
import { liveObjectQueries } from '../../record/live-objects.ts';
import { selectLocks } from '../../record/locks.ts';
import { recallQueries, selectRecalls } from '../../record/recalls.ts';
import type * as recordSchema from '../../record/schema.ts';
import { upsertSession } from '../../record/session-facts.ts';
import { sessionQueries } from '../../record/sessions.ts';
import { ALICE, auditEvent, NOW, newGrant, secret, sessionFact, signingKey } from './rows.ts';

export interface Plan<Schema extends Record<string, unknown>> {
  readonly what: string;
  readonly work: (db: SqliteRemoteDatabase<Schema>) => Promise<unknown>;
  /** The indexes that it must go by, those of primary keys and unique columns left out where they are obvious. */
  readonly by: readonly string[];
  /** Sorting is only for what is small: few rows in the table, or few that the index leaves. */
  readonly sorts?: true;
}

const PLACE = { createdAt: NOW, id: 'm' };
const SESSION_PLACE = { startedAt: NOW, id: 'm' };
const OF_ALICE = { target: { kind: 'principal', id: ALICE }, before: NOW } as const;
const AUDIT_PLACE = { at: NOW, seq: 7 };
const QUESTION = {
  subjects: [ALICE, 'group:auth0:people.test:staff'],
  agent: 'counter',
  instance: 'main',
  lockTargets: ['everything:', 'agent:counter'],
  now: NOW,
};

export const CONTROL_PLANS: readonly Plan<typeof controlSchema>[] = [
  {
    what: 'the keys of a purpose come newest first without a sort',
    work: (db) => signingKeyQueries(db).list('ticket'),
    by: ['signing_keys_generation'],
  },
  {
    what: 'a rotation finds the predecessor',
    work: (db) => signingKeyQueries(db).insertNext(signingKey(), { retiresAt: NOW, removedAt: NOW }),
    by: ['signing_keys_generation'],
  },
  {
    what: 'a client id finds its token and the secrets of it',
    work: (db) => serviceTokenQueries(db).findByClientId('client-1'),
    by: ['service_tokens_client_id_unique', 'service_token_secrets_token'],
  },
  {
    what: 'a digest finds its token',
    work: (db) => serviceTokenQueries(db).findByDigest('digest-1'),
    by: [],
  },
  { what: 'a use is noted by id', work: (db) => serviceTokenQueries(db).noteUse('a', NOW, NOW), by: [] },
  {
    what: 'a secret is added beside those of its token',
    work: (db) => serviceTokenQueries(db).addSecret(secret(), NOW),
    by: ['service_token_secrets_token'],
  },
  {
    what: 'a mint reads grants and locks by what they are about',
    work: (db) => policyQueries(db).read(QUESTION),
    by: ['grants_lookup', 'locks_standing'],
  },
  {
    what: 'the grants of an instance come newest first without a sort',
    work: (db) => grantQueries(db).list({ agent: 'counter', instance: 'main', now: NOW }, PLACE, 50),
    by: ['grants_instance'],
  },
  ...(
    [
      ['all grants', {}, 'grants_newest'],
      ['the grants of an agent', { agent: 'counter' }, 'grants_agent'],
      ['the grants of a subject', { subject: ALICE }, 'grants_subject'],
    ] as const
  ).flatMap(([name, filter, index]) =>
    [undefined, PLACE].map((place) => ({
      what: `${name} come newest first without a sort, ${place === undefined ? 'the first' : 'a further'} page`,
      work: (db: SqliteRemoteDatabase<typeof controlSchema>) =>
        grantQueries(db).list({ ...filter, now: NOW }, place, 50),
      by: [index],
    })),
  ),
  {
    what: 'the standing locks come newest first without a sort',
    work: (db) => lockQueries(db).list(NOW, PLACE, 50),
    by: ['locks_newest'],
  },
  {
    what: 'the service tokens come newest first without a sort',
    work: (db) => serviceTokenQueries(db).list(PLACE, 50),
    by: ['service_tokens_newest'],
  },
  {
    what: 'what somebody may use',
    work: (db) => grantQueries(db).ofSubjects(QUESTION.subjects, NOW),
    by: ['grants_lookup'],
  },
  {
    what: 'how many instances somebody was first on',
    work: (db) => grantQueries(db).countClaims(ALICE),
    by: ['grants_lookup'],
  },
  {
    what: 'who ever owned an instance',
    work: (db) => grantQueries(db).ownersEver('counter', 'main'),
    by: ['grants_instance'],
  },
  {
    what: 'a claim looks for an owner and counts by index',
    work: (db) => grantQueries(db).claim(newGrant(), 100, auditEvent()),
    by: ['grants_instance', 'grants_lookup'],
  },
  {
    what: 'the end of a deletion finds the grants of the instance',
    work: (db) =>
      deletionQueries(db).finish({ id: 'a', agent: 'counter', instance: 'main', before: NOW }, NOW),
    by: ['grants_instance'],
  },
  {
    what: 'the locks on some targets',
    work: (db) => lockQueries(db).onTargets(QUESTION.lockTargets, NOW),
    by: ['locks_standing'],
  },
  {
    what: 'the sign-ins of a subject end by index',
    work: (db) => authSessionQueries(db).logOut({ issuer: 'i', subject: 's' }, NOW, NOW),
    by: ['auth_sessions_subject'],
  },
  {
    what: 'the sign-in of a session of the identity provider ends by index',
    work: (db) => authSessionQueries(db).logOut({ issuer: 'i', sid: 's' }, NOW, NOW),
    by: ['auth_sessions_sid'],
  },
  {
    what: 'whose session a logout names',
    work: (db) => authSessionQueries(db).subjectsOf({ issuer: 'i', sid: 's' }),
    by: ['auth_sessions_sid'],
  },
  {
    what: 'old sign-ins and logouts are forgotten by index',
    work: (db) => authSessionQueries(db).purge(NOW),
    by: ['auth_sessions_expired', 'auth_logouts_kept'],
  },
  {
    what: 'whether somebody was logged out is found by name',
    work: (db) => authSessionQueries(db).isLoggedOut({ issuer: 'i', sid: 's', subject: 'u' }, NOW),
    by: [],
  },
  {
    what: 'whether a token was used is found by name',
    work: (db) => usedTokenQueries(db).isUsed('oidc:ci:1'),
    by: [],
  },
  {
    what: 'used tokens are forgotten by index',
    work: (db) => usedTokenQueries(db).purge(NOW),
    by: ['used_tokens_expired'],
  },
  { what: 'the commands that are due', work: (db) => outboxQueries(db).due(NOW, 50), by: ['outbox_due'] },
];

export const RECORD_PLANS: readonly Plan<typeof recordSchema>[] = [
  {
    what: 'recalls are read by target and principal',
    work: (db) => selectRecalls(db, { targets: QUESTION.lockTargets, principal: ALICE, issuedAt: NOW }),
    by: [],
  },
  {
    what: 'old recalls are forgotten by index',
    work: (db) => recallQueries(db).purge(NOW),
    by: ['recalls_kept'],
  },
  {
    what: 'the objects where somebody is, or acts for somebody else',
    work: (db) => liveObjectQueries(db).list(OF_ALICE, undefined, 100),
    by: ['agent_sessions_user', 'session_actors_actor'],
    sorts: true,
  },
  { what: 'a session is written by id', work: (db) => upsertSession(db, sessionFact()), by: [] },
  { what: 'a session is found by id', work: (db) => sessionQueries(db).find('a'), by: [] },
  { what: 'locks are read by target', work: (db) => selectLocks(db, QUESTION.lockTargets, NOW), by: [] },
  ...(
    [
      ['all sessions', {}, ['agent_sessions_newest']],
      ['live sessions', { active: true }, ['agent_sessions_active']],
      ['sessions of a principal', { principal: ALICE }, ['agent_sessions_user']],
      ['live sessions of a principal', { principal: ALICE, active: true }, ['agent_sessions_user']],
      ['ended sessions', { active: false }, ['agent_sessions_newest']],
      ['ended sessions of a principal', { principal: ALICE, active: false }, ['agent_sessions_user']],
      ['live sessions of an agent', { agent: 'counter', active: true }, []],
      ['live sessions of an instance', { agent: 'counter', instance: 'main', active: true }, []],
      ['sessions of a principal on an agent', { principal: ALICE, agent: 'counter' }, []],
      ['sessions of an agent', { agent: 'counter' }, ['agent_sessions_agent']],
      ['sessions of an instance', { agent: 'counter', instance: 'main' }, ['agent_sessions_instance']],
    ] as const
  ).map(([name, filter, by]) => ({
    what: `${name} come newest first without a sort`,
    work: (db: SqliteRemoteDatabase<typeof recordSchema>) =>
      sessionQueries(db).list(filter, SESSION_PLACE, 50),
    by,
  })),
  {
    what: 'open sessions come oldest first without a sort',
    work: (db) => sessionQueries(db).listOpen(0, NOW, 50),
    by: ['agent_sessions_active'],
  },
  {
    what: 'whether somebody opened an instance since',
    work: (db) => sessionQueries(db).wasOpened('counter', 'main', ALICE, NOW),
    by: ['agent_sessions_instance'],
  },
  ...(
    [
      ['all events', {}, ['audit_events_at']],
      ['events of some time', { from: NOW, to: NOW + 1 }, ['audit_events_at']],
      ['events of a principal', { principal: ALICE }, ['audit_events_user']],
      ['events of an agent', { agent: 'counter' }, ['audit_events_agent']],
      ['events of an instance', { agent: 'counter', instance: 'main' }, ['audit_events_instance']],
      ['events of a type', { type: 'key.revoked' }, ['audit_events_type']],
      ['denials', { outcome: 'denied' }, ['audit_events_denied']],
      ['successes', { outcome: 'success' }, ['audit_events_at']],
      ['denials of a principal', { principal: ALICE, outcome: 'denied' }, []],
      ['a type of event of an agent', { agent: 'counter', type: 'rpc.denied' }, []],
      [
        'a type of event of a principal on an instance',
        {
          principal: ALICE,
          agent: 'counter',
          instance: 'main',
          type: 'rpc.denied',
          outcome: 'denied',
          from: NOW,
          to: NOW + 1,
        },
        [],
      ],
      ['events of a principal at some time', { principal: ALICE, from: NOW }, ['audit_events_user']],
    ] as const
  ).map(([name, filter, by]) => ({
    what: `${name} come newest first without a sort`,
    work: (db: SqliteRemoteDatabase<typeof recordSchema>) =>
      auditLogQueries(db).list(filter, AUDIT_PLACE, 50),
    by,
  })),
  { what: 'arrivals come in their order', work: (db) => auditLogQueries(db).arrivals(7, 500), by: [] },
  { what: 'events are purged by number', work: (db) => auditLogQueries(db).purge(7, 500), by: [] },
  {
    what: 'old sessions are purged by their end',
    work: (db) => sessionQueries(db).purge(NOW, 500),
    by: ['agent_sessions_ended'],
  },
  {
    what: 'old calls are purged by their beginning',
    work: (db) => invocationQueries(db).purge(NOW, 500),
    by: ['agent_invocations_started'],
  },
  {
    what: 'the checkpoint that covers an event',
    work: (db) => checkpointQueries(db).reaching(7),
    by: ['audit_checkpoints_through'],
  },
  { what: 'the newest checkpoint', work: (db) => checkpointQueries(db).newest(), by: [] },
  { what: 'a page of checkpoints', work: (db) => checkpointQueries(db).list(7, 50), by: [] },
  { what: 'the checkpoints after one', work: (db) => checkpointQueries(db).following(7, 50), by: [] },
  {
    what: 'the checkpoint before an event',
    work: (db) => checkpointQueries(db).covering(7),
    by: ['audit_checkpoints_through'],
  },
  {
    what: 'the checkpoint before a moment',
    work: (db) => checkpointQueries(db).writtenBy(NOW),
    by: ['audit_checkpoints_at'],
  },
  {
    what: 'the calls of a session come newest first without a sort',
    work: (db) => invocationQueries(db).ofSession('a', SESSION_PLACE, 50),
    by: ['agent_invocations_session'],
  },
];
