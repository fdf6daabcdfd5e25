import type { AuditFilter } from '../../record/audit-log.ts';
import type { AgentInstance } from '../../record/revocations.ts';
import type { RecordStore } from '../../record/store.ts';
import { combinationsOf, type Plan, pages } from './plan-table.ts';
import {
  ALICE,
  AUDIENCE,
  auditEvent,
  JTI,
  KID,
  MINUTE,
  NOW,
  revocation,
  segment,
  sessionFact,
  tokenId,
  uuidOf,
} from './rows.ts';

const NAMES = ['everything:', 'agent:counter', `principal:${ALICE}`];
const SESSION_CURSOR = { startedAt: NOW, id: 'm' };

/** Every combination of filters. Of those whose values have no index together one index bounds the search. */
const BROAD_FILTERS = combinationsOf({
  ...({ principal: ALICE, agent: 'counter', instance: 'main', type: 'rpc.denied' } as const),
  ...({ outcome: 'denied', from: NOW } as const),
} as const).filter(({ agent, instance }) => instance === undefined || agent !== undefined);
/** Filters that leave few events, alone and beside all others. */
const NARROW_FILTERS = combinationsOf({
  ...{ code: 'frame_scope_missing', jti: JTI, sessionId: uuidOf(1), requestId: uuidOf(2) },
});
const EVENT_FILTERS: AuditFilter[] = [BROAD_FILTERS[0], BROAD_FILTERS.at(-1)]
  .flatMap((broad) => NARROW_FILTERS.map((narrow) => ({ ...broad, ...narrow })))
  .concat(BROAD_FILTERS);
const eventIndexOf = (filter: AuditFilter) => {
  const { principal, agent, instance, type, outcome, code, jti, sessionId, requestId } = filter;
  if (requestId !== undefined) return 'audit_events_request';
  if (jti !== undefined) return 'audit_events_jti';
  if (sessionId !== undefined) return 'audit_events_session';
  if (principal !== undefined) return 'audit_events_user';
  if (instance !== undefined) return 'audit_events_instance';
  if (code !== undefined) return 'audit_events_code';
  if (type !== undefined) return 'audit_events_type';
  if (outcome !== undefined) return 'audit_events_denied';
  return agent === undefined ? 'audit_events_at' : 'audit_events_agent';
};

const SESSION_FILTERS = ([true, false] as const)
  .flatMap((active) =>
    combinationsOf({
      ...{ principal: ALICE, agent: 'counter', instance: 'main', active, ipAddress: '192.0.2.7' },
      ...{ from: NOW - MINUTE, to: NOW },
    }),
  )
  .filter(({ agent, instance }) => instance === undefined || agent !== undefined);
const PARTY_FILTERS = [
  {},
  { active: true, from: NOW - MINUTE, to: NOW },
  { agent: 'counter', active: false },
].map((others) => ({ party: ALICE, ...others }));
const sessionIndexOf = (filter: (typeof SESSION_FILTERS)[number]) => {
  const { principal, agent, instance, active, ipAddress } = filter;
  if (principal !== undefined) return active === true ? 'agent_sessions_user_live' : 'agent_sessions_user';
  if (ipAddress !== undefined) return 'agent_sessions_address';
  if (instance !== undefined) return active === true ? 'agent_sessions_live' : 'agent_sessions_instance';
  if (active === true) return 'agent_sessions_active';
  return agent === undefined ? 'agent_sessions_newest' : 'agent_sessions_agent';
};

/** What a revocation can name, the indexes by which its sessions are found, and whether their objects are sorted. */
const OBJECT_TARGETS = [
  ['everything:', ['agent_sessions_live'], 'never'],
  ['agent:counter', ['agent_sessions_live'], 'never'],
  ['instance:counter/main', ['agent_sessions_live'], 'never'],
  // Rare, and most live sessions have the same key: an index of keys would cost each session a row.
  [`key:${KID}`, ['agent_sessions_live'], 'never'],
  [`principal:${ALICE}`, ['agent_sessions_user_live', 'session_parties_party'], 'always'],
  [`service-token:${tokenId('1')}`, ['agent_sessions_user_live', 'session_parties_party'], 'always'],
  [`session:${uuidOf(1)}`, [], 'list'],
  ['grant:grant-1', ['agent_sessions_grant'], 'always'],
  ['login:login-1', ['agent_sessions_login'], 'always'],
  [`ticket:${JTI}`, ['audit_events_jti'], 'always'],
  ['address:192.0.2.7', ['agent_sessions_address_live'], 'always'],
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
    by: ['revocation_copies_target'],
  },
  {
    what: 'the record of a change',
    work: ({ deliverChange }) => deliverChange(auditEvent(), [revocation()]),
    by: ['revocation_copies_arrival'],
  },
  {
    what: 'what arrived, in its order',
    work: ({ revocations }) => revocations.listArrived(7, MINUTE, 100),
    by: ['revocation_copies_arrival'],
  },
  {
    what: 'the revocations of some targets',
    work: ({ revocations }) => revocations.ofTargets(NAMES, NOW),
    by: ['revocation_copies_target'],
  },
  {
    what: 'keys that were revoked',
    work: ({ revocations }) => revocations.revokedKeys(),
    by: [],
  },
  { what: 'copies without an end', work: ({ revocations }) => revocations.listEndless('', 500), by: [] },
  {
    what: 'versions of revocations that are copied again',
    work: ({ revocations }) => revocations.apply([revocation()]),
    by: ['revocation_copies_arrival'],
  },
  {
    what: 'the newest number of a copy',
    work: ({ revocations }) => revocations.newestRev(),
    by: ['revocation_copies_rev'],
  },
  {
    what: 'old copies that are forgotten',
    work: ({ revocations }) => revocations.purge(NOW, 500),
    by: ['revocation_copies_until', 'revocation_copies_rev'],
  },
  ...OBJECT_TARGETS.flatMap(([target, by, sorts]) =>
    (['any', 'before'] as const).flatMap((kind): Plan<RecordStore>[] => [
      ...pages<RecordStore, AgentInstance>(
        `objects with live sessions that ${kind} ${target} hits`,
        { agent: 'counter', instance: 'm' },
        ({ revocations }, after) =>
          revocations.liveObjects(AUDIENCE, revocation({ target, kind }), after, 100),
        by,
      ).map((plan) => (sorts === 'never' ? plan : { ...plan, sorts: true as const })),
      {
        what: `how many objects have live sessions that ${kind} ${target} hits`,
        work: ({ revocations }) =>
          revocations.countLiveObjects(AUDIENCE, revocation({ target, kind }), undefined),
        by,
        ...(sorts === 'always' ? { sorts: true } : {}),
      },
    ]),
  ),
  { what: 'a session', work: ({ sessions }) => sessions.find('a'), by: [] },
  {
    what: 'open sessions of an agent worker, oldest first',
    work: ({ sessions }) => sessions.listOpen(AUDIENCE, 0, NOW, 50),
    by: ['agent_sessions_active'],
  },
  {
    what: 'open sessions of no agent worker, oldest first',
    work: ({ sessions }) => sessions.listOpenElsewhere([AUDIENCE], NOW, 50),
    by: ['agent_sessions_active'],
  },
  ...SESSION_FILTERS.flatMap((filter) =>
    pages<RecordStore, typeof SESSION_CURSOR>(
      `sessions by ${JSON.stringify(filter)}, newest first`,
      SESSION_CURSOR,
      ({ sessions }, after) => sessions.list(filter, after, 50),
      [sessionIndexOf(filter)],
    ),
  ),
  ...PARTY_FILTERS.flatMap((filter) =>
    pages<RecordStore, typeof SESSION_CURSOR>(
      `sessions by ${JSON.stringify(filter)}, newest first`,
      SESSION_CURSOR,
      ({ sessions }, after) => sessions.list(filter, after, 50),
      ['session_parties_party'],
    ),
  ),
  {
    what: 'how many sessions of some principals are live',
    work: ({ sessions }) => sessions.countLive([ALICE], 100),
    by: ['agent_sessions_user_live'],
  },
  {
    what: 'how many sessions of some agents are live',
    work: ({ sessions }) => sessions.openOf(['counter'], 100),
    by: ['agent_sessions_live'],
  },
  {
    what: 'old sessions that are forgotten',
    work: ({ sessions }) => sessions.purge(NOW, 500),
    by: ['agent_sessions_ended'],
  },
  ...EVENT_FILTERS.flatMap((filter) =>
    pages<RecordStore, { at: number; seq: number }>(
      `events by ${JSON.stringify(filter)}, newest first`,
      { at: NOW, seq: 7 },
      ({ auditLog }, after) => auditLog.list(filter, after, 50),
      [eventIndexOf(filter)],
    ),
  ),
  ...(
    [
      { outcome: 'success' },
      { type: 'ticket.used' },
      { type: 'session.opened' },
      { type: 'session.closed', code: 'client_closed' },
    ] as const
  ).flatMap((filter) =>
    pages<RecordStore, { at: number; seq: number }>(
      `events that are most events: ${JSON.stringify(filter)}`,
      { at: NOW, seq: 7 },
      ({ auditLog }, after) => auditLog.list(filter, after, 50),
      ['audit_events_at'],
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
  { what: 'a checkpoint by its number', work: ({ checkpoints }) => checkpoints.find(7), by: [] },
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
  {
    what: 'the segment or the rows after an event',
    work: ({ segments }) => segments.following(7, 50),
    by: ['audit_segments_through'],
  },
  { what: 'the newest segment', work: ({ segments }) => segments.newest(), by: [] },
  { what: 'the oldest segment', work: ({ segments }) => segments.oldest(), by: [] },
  { what: 'a new segment', work: ({ segments }) => segments.insert(segment(7, 1, 9)), by: [] },
  { what: 'a segment that is being deleted', work: ({ segments }) => segments.endReading(7, NOW), by: [] },
  { what: 'a segment that is deleted', work: ({ segments }) => segments.delete(7), by: [] },
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
  {
    what: 'a counted event about an instance whose name is counted',
    work: ({ rates }) =>
      rates.count(
        {
          key: 'a',
          limit: 1,
          event: auditEvent(),
          overLimit: auditEvent(),
          mark: { account: 'a', name: 'counter/main', limit: 1, windowMs: MINUTE },
        },
        NOW,
        MINUTE,
      ),
    by: [],
  },
  {
    what: 'tickets and sessions of spans of time',
    work: ({ stats }) => stats.counts([NOW, NOW + MINUTE], MINUTE),
    by: ['audit_events_type', 'agent_sessions_newest', 'agent_sessions_ended'],
  },
  {
    what: 'refusals of spans of time, by code and agent',
    work: ({ stats }) => stats.refusals([NOW, NOW + MINUTE], MINUTE, ['counter']),
    by: ['audit_events_denied'],
    sorts: true,
  },
  {
    what: 'events of sessions that arrived after a number',
    work: ({ stats }) => stats.sessionEvents(100, 200),
    by: [],
    sorts: true,
  },
  {
    what: 'sessions that were live at a moment',
    work: ({ stats }) => stats.liveAt([NOW - MINUTE], MINUTE, NOW),
    by: ['agent_sessions_newest'],
  },
  { what: 'an event without a limit', work: ({ rates }) => rates.write(auditEvent()), by: [] },
  {
    what: 'old windows that are forgotten, of a table that only Node has rows in',
    work: ({ rates }) => rates.purge(NOW, NOW),
    by: [],
    scans: 'rate_windows',
  },
];
