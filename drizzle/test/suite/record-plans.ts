import type { AgentInstance } from '../../record/revocations.ts';
import type { RecordStore } from '../../record/store.ts';
import { type Plan, pages } from './plan-table.ts';
import {
  ALICE,
  auditEvent,
  JTI,
  KID,
  MINUTE,
  NOW,
  revocation,
  sessionFact,
  tokenId,
  uuidOf,
} from './rows.ts';

const NAMES = ['everything:', 'agent:counter', `principal:${ALICE}`];
const SESSION_CURSOR = { startedAt: NOW, id: 'm' };

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
            revocable: { names: NAMES, rev: 1 },
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
    by: ['record_revocations_arrival'],
  },
  {
    what: 'what arrived, in its order',
    work: ({ revocations }) => revocations.listArrived(7, MINUTE, 100),
    by: ['record_revocations_arrival'],
  },
  {
    what: 'the revocations of some targets',
    work: ({ revocations }) => revocations.ofTargets(NAMES, NOW),
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
  {
    what: 'a new checkpoint',
    work: ({ checkpoints }) =>
      checkpoints.insert({ n: 1, at: NOW, through: 1, count: 1, hash: 'h', kid: KID, jws: 'a.b.c' }),
    by: [],
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
