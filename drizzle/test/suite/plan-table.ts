import type { SqliteRemoteDatabase } from 'drizzle-orm/sqlite-proxy';
import type { OutboxCommand } from '../../control/change.ts';
import type { PolicyQuestion } from '../../control/policy.ts';
import type * as controlSchema from '../../control/schema.ts';
import { type ControlStore, controlStore } from '../../control/store.ts';
import type { AgentInstance } from '../../record/revocations.ts';
import type * as recordSchema from '../../record/schema.ts';
import { type RecordStore, recordStore } from '../../record/store.ts';
import {
  ALICE,
  auditEvent,
  JTI,
  KID,
  MINUTE,
  NOW,
  newGrant,
  newRevocation,
  outboxRow,
  revocation,
  secret,
  serviceToken,
  sessionFact,
  signingKey,
  tokenId,
  uuidOf,
} from './rows.ts';

export interface Plan<Store> {
  readonly what: string;
  readonly work: (store: Store) => Promise<unknown>;
  /** The indexes that it must go by, those of primary keys and unique columns left out where they are obvious. */
  readonly by: readonly string[];
  /** Sorting is only for what is small: few rows in the table, or few that the index leaves. */
  readonly sorts?: true;
  /** The table of which it has to read every row. */
  readonly scans?: string;
}

export const controlPlanStore = (db: SqliteRemoteDatabase<typeof controlSchema>): ControlStore =>
  controlStore(db);
export const recordPlanStore = (db: SqliteRemoteDatabase<typeof recordSchema>): RecordStore =>
  recordStore(db);

const CURSOR = { createdAt: NOW, id: 'm' };
const SESSION_CURSOR = { startedAt: NOW, id: 'm' };
const TARGETS = ['everything:', 'agent:counter', `principal:${ALICE}`];
const QUESTION: PolicyQuestion = {
  principal: ALICE,
  subjects: [ALICE, 'group:auth0:people.test:staff'],
  at: { agent: 'counter', instance: 'main' },
  targets: TARGETS,
  claimsSince: NOW - MINUTE,
  now: NOW,
};
const DELETION: Extract<OutboxCommand, { op: 'destroy' }> = {
  op: 'destroy',
  agent: 'counter',
  instance: 'main',
  id: 'before instance:counter/main',
  lock: 'lock-1',
  before: NOW,
};
/** What every change brings with it. */
const CHANGE = { event: auditEvent(), revocations: [newRevocation()], dueAt: NOW };

/** The first page of a list and a further one. */
const pages = <Store, Cursor>(
  what: string,
  cursor: Cursor,
  work: (store: Store, after: Cursor | undefined) => Promise<unknown>,
  by: readonly string[],
): Plan<Store>[] => [
  { what: `${what}, the first page`, work: (store) => work(store, undefined), by },
  { what: `${what}, a further page`, work: (store) => work(store, cursor), by },
];

export const CONTROL_PLANS: readonly Plan<ControlStore>[] = [
  {
    what: 'the keys of a purpose, newest first',
    work: ({ keys }) => keys.list('ticket'),
    by: ['signing_keys_generation'],
  },
  {
    what: 'the first key, with the number of the revocation and the outbox row',
    work: ({ change, keys }) => change({ ...keys.makeFirst(signingKey()), ...CHANGE }),
    by: ['revocations_rev_unique'],
  },
  {
    what: 'a rotation and the end of the predecessor',
    work: ({ change, keys }) =>
      change({ ...keys.rotate(signingKey(), { retiresAt: NOW, removedAt: NOW }), ...CHANGE }),
    by: ['signing_keys_generation'],
  },
  ...(['activated', 'kept'] as const).map((kind) => ({
    what: `the revocation of a key whose successor is ${kind}`,
    work: ({ change, keys }: ControlStore) =>
      change({ ...keys.revoke('key-1', { kind, kid: 'key-2' }, NOW), ...CHANGE }),
    by: [],
  })),
  {
    what: 'the revocation of a key with a new successor',
    work: ({ change, keys }) =>
      change({ ...keys.revoke('key-1', { kind: 'made', key: signingKey() }, NOW), ...CHANGE }),
    by: [],
  },
  { what: 'resealing', work: ({ keys }) => keys.reseal('key-1', 'a', 'b'), by: [] },
  {
    what: 'old keys that are forgotten',
    work: ({ keys }) => keys.purge('ticket', NOW),
    by: ['signing_keys_generation'],
  },
  { what: 'a service token', work: ({ serviceTokens }) => serviceTokens.find(tokenId('1')), by: [] },
  {
    what: 'a service token and its secrets',
    work: ({ serviceTokens }) => serviceTokens.findWithSecrets(tokenId('1')),
    by: ['service_token_secrets_token'],
  },
  ...pages<ControlStore, typeof CURSOR>(
    'service tokens, newest first',
    CURSOR,
    ({ serviceTokens }, after) => serviceTokens.list(after, 50),
    ['service_tokens_newest'],
  ),
  { what: 'a noted use', work: ({ serviceTokens }) => serviceTokens.noteUse('a', NOW, NOW), by: [] },
  {
    what: 'a new service token',
    work: ({ change, serviceTokens }) =>
      change({ ...serviceTokens.create(serviceToken(), secret()), ...CHANGE }),
    by: [],
  },
  {
    what: 'a secret beside those of its token',
    work: ({ change, serviceTokens }) => change({ ...serviceTokens.addSecret(secret(), NOW), ...CHANGE }),
    by: ['service_token_secrets_token'],
  },
  {
    what: 'the revocation of a service token',
    work: ({ change, serviceTokens }) =>
      change({ statement: serviceTokens.revoke(tokenId('1'), NOW), ...CHANGE }),
    by: [],
  },
  {
    what: 'the policy of one instance',
    work: ({ readPolicy }) => readPolicy(QUESTION),
    by: ['grants_lookup', 'revocations_target', 'revocations_rev_unique', 'grants_instance'],
  },
  {
    what: 'the policy of everywhere',
    work: ({ readPolicy }) => readPolicy({ ...QUESTION, at: undefined }),
    by: ['grants_lookup', 'revocations_target'],
  },
  { what: 'a grant', work: ({ grants }) => grants.find('a'), by: [] },
  ...(
    [
      ['all grants', {}, 'grants_newest'],
      ['grants of an agent', { agent: 'counter' }, 'grants_agent'],
      ['grants of an instance', { agent: 'counter', instance: 'main' }, 'grants_instance'],
      ['grants of a subject', { subject: ALICE }, 'grants_subject'],
    ] as const
  ).flatMap(([name, filter, index]) =>
    pages<ControlStore, typeof CURSOR>(
      `${name}, newest first`,
      CURSOR,
      ({ grants }, after) => grants.list({ ...filter, now: NOW }, after, 50),
      [index],
    ),
  ),
  {
    what: 'whether any subject has a grant',
    work: ({ grants }) => grants.anyOf(QUESTION.subjects, NOW),
    by: ['grants_lookup'],
  },
  { what: 'the note of an opening', work: ({ grants }) => grants.noteOpened('a', NOW), by: [] },
  {
    what: 'a new grant',
    work: ({ change, grants }) => change({ statement: grants.insert(newGrant()), ...CHANGE }),
    by: [],
  },
  {
    what: 'the deletion of a grant',
    work: ({ change, grants }) => change({ statement: grants.delete('a', NOW), ...CHANGE }),
    by: [],
  },
  {
    what: 'a claim, which looks for owners and counts claims',
    work: ({ change, grants }) => change({ statement: grants.claim(newGrant(), 100, NOW), ...CHANGE }),
    by: ['grants_instance', 'grants_lookup'],
  },
  {
    what: 'a lapsed claim',
    work: ({ change, grants }) => change({ statement: grants.dropLapsed('a', NOW), ...CHANGE }),
    by: [],
  },
  {
    what: 'the end of a deletion',
    work: ({ finishDeletion }) => finishDeletion('a', DELETION, NOW),
    by: ['grants_instance'],
  },
  { what: 'a revocation', work: ({ revocations }) => revocations.find('a'), by: [] },
  { what: 'some revocations', work: ({ revocations }) => revocations.findAll(['a', 'b']), by: [] },
  {
    what: 'the newest number',
    work: ({ revocations }) => revocations.newestRev(),
    by: ['revocations_rev_unique'],
  },
  ...pages<ControlStore, typeof CURSOR>(
    'locks, newest first',
    CURSOR,
    ({ revocations }, after) => revocations.listLocks(NOW, after, 50),
    ['revocations_locks'],
  ),
  {
    what: 'the revocations on some targets',
    work: ({ revocations }) => revocations.anyOn(TARGETS, NOW),
    by: ['revocations_target'],
  },
  {
    what: 'a lifted lock',
    work: ({ change, revocations }) => change({ statement: revocations.lift('lock-1', NOW), ...CHANGE }),
    by: ['revocations_rev_unique'],
  },
  {
    what: 'a jump of the numbers',
    work: ({ revocations }) => revocations.jumpTo(7, NOW),
    by: ['revocations_rev_unique'],
  },
  {
    what: 'old revocations that are forgotten',
    work: ({ revocations }) => revocations.purge(NOW),
    by: ['revocations_until', 'revocations_rev_unique'],
  },
  { what: 'a sign-in', work: ({ authSessions }) => authSessions.find('a'), by: [] },
  {
    what: 'whose session of the identity provider ends',
    work: ({ authSessions }) => authSessions.subjectsOf({ issuer: 'i', sid: 's' }),
    by: ['auth_sessions_sid'],
  },
  {
    what: 'old sign-ins that are forgotten',
    work: ({ authSessions }) => authSessions.purge(NOW),
    by: ['auth_sessions_expired'],
  },
  {
    what: 'the end of one sign-in',
    work: ({ change, authSessions }) => change({ statement: authSessions.end('a', NOW), ...CHANGE }),
    by: [],
  },
  {
    what: 'the end of the sign-ins of a subject',
    work: ({ change, authSessions }) =>
      change({ statement: authSessions.endAll({ issuer: 'i', subject: 's' }, NOW), ...CHANGE }),
    by: ['auth_sessions_subject'],
  },
  {
    what: 'the end of the sign-in of a session of the identity provider',
    work: ({ change, authSessions }) =>
      change({ statement: authSessions.endAll({ issuer: 'i', sid: 's' }, NOW), ...CHANGE }),
    by: ['auth_sessions_sid'],
  },
  { what: 'a principal', work: ({ principals }) => principals.find(ALICE), by: [] },
  {
    what: 'old sign-outs that are forgotten',
    work: ({ principals }) => principals.purge(NOW),
    by: ['principals_kept'],
  },
  { what: 'a token that counts once', work: ({ usedTokens }) => usedTokens.use('oidc:ci:1', NOW), by: [] },
  { what: 'whether a token was used', work: ({ usedTokens }) => usedTokens.isUsed('oidc:ci:1'), by: [] },
  {
    what: 'used tokens that are forgotten',
    work: ({ usedTokens }) => usedTokens.purge(NOW),
    by: ['used_tokens_expired'],
  },
  { what: 'due outbox rows', work: ({ outbox }) => outbox.due(NOW, 50), by: ['outbox_due'] },
  {
    what: 'how many outbox rows wait, of a table that is empty most of the time',
    work: ({ outbox }) => outbox.count(),
    by: [],
    scans: 'outbox',
  },
  { what: 'an outbox row that is taken', work: ({ outbox }) => outbox.take(outboxRow(), NOW), by: [] },
  { what: 'an outbox row that is done', work: ({ outbox }) => outbox.done('a'), by: [] },
];

const EVENT_FILTERS = [
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
] as const;

const SESSION_FILTERS = [
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
] as const;

/** What a revocation can name, the indexes by which its sessions are found, and whether their objects are sorted. */
const OBJECT_TARGETS = [
  ['everything:', ['agent_sessions_live'], 'never'],
  ['agent:counter', ['agent_sessions_live'], 'never'],
  ['instance:counter/main', ['agent_sessions_live'], 'never'],
  // Rare, and most live sessions have the same key: an index of keys would cost each session a row.
  [`key:${KID}`, ['agent_sessions_live'], 'never'],
  [`principal:${ALICE}`, ['agent_sessions_user', 'session_parties_party'], 'always'],
  [`service-token:${tokenId('1')}`, ['agent_sessions_user', 'session_parties_party'], 'always'],
  [`session:${uuidOf(1)}`, [], 'list'],
  ['grant:grant-1', ['agent_sessions_grant'], 'always'],
  ['login:login-1', ['agent_sessions_login'], 'always'],
  [`ticket:${JTI}`, ['agent_sessions_ticket'], 'always'],
] as const;

export const RECORD_PLANS: readonly Plan<RecordStore>[] = [
  {
    what: 'a delivery: event, session, parties, call, and the revocations that hit the session',
    work: ({ deliver }) =>
      deliver(
        [
          {
            event: auditEvent(),
            session: sessionFact({ parties: [ALICE] }),
            revocable: { names: TARGETS, rev: 1 },
          },
          {
            invocation: {
              ...{ id: uuidOf(1), sessionId: uuidOf(1), method: 'add', startedAt: NOW, durationMs: 1 },
              ...{ outcome: 'success', code: null },
            },
          },
        ],
        NOW,
      ),
    by: ['record_revocations_target'],
  },
  {
    what: 'the record of a change',
    work: ({ deliverChange }) => deliverChange(auditEvent(), [revocation()]),
    by: [],
  },
  {
    what: 'why a ticket is revoked',
    work: ({ revocations }) => revocations.whyRevoked({ names: TARGETS, rev: 1 }, NOW),
    by: ['record_revocations_target'],
  },
  {
    what: 'the newest number of a copy',
    work: ({ revocations }) => revocations.newestRev(),
    by: ['record_revocations_rev'],
  },
  {
    what: 'old copies that are forgotten',
    work: ({ revocations }) => revocations.purge(NOW),
    by: ['record_revocations_until', 'record_revocations_rev'],
  },
  ...OBJECT_TARGETS.flatMap(([target, by, sorts]) =>
    (['any', 'before'] as const).flatMap((kind): Plan<RecordStore>[] => [
      ...pages<RecordStore, AgentInstance>(
        `objects with live sessions that ${kind} ${target} hits`,
        { agent: 'counter', instance: 'm' },
        ({ revocations }, after) => revocations.liveObjects(revocation({ target, kind }), after, 100),
        by,
      ).map((plan) => (sorts === 'never' ? plan : { ...plan, sorts: true as const })),
      {
        what: `how many objects have live sessions that ${kind} ${target} hits`,
        work: ({ revocations }) => revocations.countLiveObjects(revocation({ target, kind }), undefined),
        by,
        ...(sorts === 'always' ? { sorts: true } : {}),
      },
    ]),
  ),
  { what: 'a session', work: ({ sessions }) => sessions.find('a'), by: [] },
  {
    what: 'open sessions, oldest first',
    work: ({ sessions }) => sessions.listOpen(0, NOW, 50),
    by: ['agent_sessions_active'],
  },
  ...SESSION_FILTERS.flatMap(([name, filter, by]) =>
    pages<RecordStore, typeof SESSION_CURSOR>(
      `${name}, newest first`,
      SESSION_CURSOR,
      ({ sessions }, after) => sessions.list(filter, after, 50),
      by,
    ),
  ),
  {
    what: 'old sessions that are forgotten',
    work: ({ sessions }) => sessions.purge(NOW, 500),
    by: ['agent_sessions_ended'],
  },
  ...EVENT_FILTERS.flatMap(([name, filter, by]) =>
    pages<RecordStore, { at: number; seq: number }>(
      `${name}, newest first`,
      { at: NOW, seq: 7 },
      ({ auditLog }, after) => auditLog.list(filter, after, 50),
      by,
    ),
  ),
  { what: 'arrivals in their order', work: ({ auditLog }) => auditLog.arrivals(7, 500), by: [] },
  { what: 'the bounds of the log', work: ({ auditLog }) => auditLog.bounds(), by: [] },
  { what: 'old events that are forgotten', work: ({ auditLog }) => auditLog.purge(7, 500), by: [] },
  {
    what: 'the checkpoint that covers an event',
    work: ({ checkpoints }) => checkpoints.reaching(7),
    by: ['audit_checkpoints_through'],
  },
  { what: 'the newest checkpoint', work: ({ checkpoints }) => checkpoints.newest(), by: [] },
  ...pages<RecordStore, number>(
    'checkpoints, newest first',
    7,
    ({ checkpoints }, before) => checkpoints.list(before, 50),
    [],
  ),
  { what: 'the checkpoints after one', work: ({ checkpoints }) => checkpoints.following(7, 50), by: [] },
  {
    what: 'the checkpoint before an event',
    work: ({ checkpoints }) => checkpoints.covering(7),
    by: ['audit_checkpoints_through'],
  },
  {
    what: 'the checkpoint before a moment',
    work: ({ checkpoints }) => checkpoints.writtenBy(NOW),
    by: ['audit_checkpoints_at'],
  },
  ...pages<RecordStore, typeof SESSION_CURSOR>(
    'the calls of a session, newest first',
    SESSION_CURSOR,
    ({ invocations }, after) => invocations.ofSession('a', after, 50),
    ['agent_invocations_session'],
  ),
  {
    what: 'old calls that are forgotten',
    work: ({ invocations }) => invocations.purge(NOW, 500),
    by: ['agent_invocations_started'],
  },
  {
    what: 'a counted event',
    work: ({ rates }) =>
      rates.count({ key: 'a', limit: 1, event: auditEvent(), overLimit: auditEvent() }, NOW, MINUTE),
    by: [],
  },
  { what: 'an event without a limit', work: ({ rates }) => rates.write(auditEvent()), by: [] },
  {
    what: 'old windows that are forgotten, of a table that only Node has rows in',
    work: ({ rates }) => rates.purge(NOW),
    by: [],
    scans: 'rate_windows',
  },
];
