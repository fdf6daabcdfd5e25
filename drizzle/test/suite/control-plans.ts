import type { OutboxCommand } from '../../control/change.ts';
import type { PolicyQuestion } from '../../control/policy.ts';
import type { ControlStore } from '../../control/store.ts';
import { combinationsOf, type Plan, pages } from './plan-table.ts';
import {
  ALICE,
  auditEvent,
  MINUTE,
  NOW,
  newGrant,
  newRevocation,
  outboxRow,
  secret,
  serviceToken,
  signingKey,
  tokenId,
  uuidOf,
  webhook,
} from './rows.ts';

const CURSOR = { createdAt: NOW, id: 'm' };
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
const GRANT_FILTERS = combinationsOf({ agent: 'counter', instance: 'main', subject: ALICE });
const grantIndexOf = ({ agent, instance, subject }: (typeof GRANT_FILTERS)[number]) => {
  if (agent === undefined) return subject === undefined ? 'grants_newest' : 'grants_subject';
  if (instance === undefined) return subject === undefined ? 'grants_agent' : 'grants_subject';
  return subject === undefined ? 'grants_instance' : 'grants_lookup_unique';
};
const SEAL = { n: 2, through: 5, hash: 'h' };
/** What every change brings with it. */
const CHANGE = { event: auditEvent(), revocations: [newRevocation()], dueAt: NOW };

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
  {
    what: 'resealing',
    work: ({ change, keys }) => change({ before: [keys.reseal('key-1', 'a', 'b')], ...CHANGE }),
    by: [],
  },
  {
    what: 'the end of a revocation that had none',
    work: ({ change, revocations }) => change({ before: [revocations.endAt('a', NOW)], ...CHANGE }),
    by: [],
  },
  ...pages<ControlStore, number>(
    'keys of a purpose, newest first',
    7,
    ({ keys }, before) => keys.page('ticket', before, 50),
    ['signing_keys_generation'],
  ),
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
    what: 'the end of replaced secrets',
    work: ({ change, serviceTokens }) =>
      change({ before: [serviceTokens.endReplaced(tokenId('1'))], ...CHANGE }),
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
    by: [
      ...['grants_lookup_unique', 'revocations_target', 'revocations_rev_unique'],
      ...['grants_owner', 'grants_claims'],
    ],
  },
  {
    what: 'which agents a principal may use',
    work: ({ readAgentRights }) =>
      readAgentRights({
        ...QUESTION,
        lastsUntil: NOW,
        agents: [{ slug: 'a' }, { slug: 'b', instances: ['c'] }],
      }),
    by: ['grants_lookup_unique', 'revocations_target', 'grants_claims'],
  },
  {
    what: 'the facts of requests for tickets',
    work: ({ readMintFacts }) =>
      readMintFacts([
        { ...QUESTION, at: { agent: 'counter', instance: 'main' }, kid: 'key-1', tokenId: 'svc_1' },
      ]),
    by: [
      'grants_lookup_unique',
      'grants_owner',
      'revocations_target',
      'revocations_rev_unique',
      'service_token_secrets_token',
    ],
  },
  { what: 'a grant', work: ({ grants }) => grants.find('a'), by: [] },
  ...GRANT_FILTERS.flatMap((filter) =>
    pages<ControlStore, typeof CURSOR>(
      `grants by ${JSON.stringify(filter)}, newest first`,
      CURSOR,
      ({ grants }, after) => grants.list({ ...filter, now: NOW }, after, 50),
      [grantIndexOf(filter)],
    ).map(
      (plan): Plan<ControlStore> =>
        // At most a grant of each role.
        grantIndexOf(filter) === 'grants_lookup_unique' ? { ...plan, sorts: true } : plan,
    ),
  ),
  {
    what: 'whether any subject has a grant',
    work: ({ grants }) => grants.anyOf(QUESTION.subjects, NOW),
    by: ['grants_lookup_unique'],
  },
  { what: 'the note of an opening', work: ({ grants }) => grants.noteOpened('a', NOW), by: [] },
  {
    what: 'a new grant',
    work: ({ change, grants }) => change({ statement: grants.insert(newGrant()), ...CHANGE }),
    by: [],
  },
  {
    what: 'a new grant in place of one that has ended',
    work: ({ change, grants }) =>
      change({ before: [grants.replaceEnded(newGrant())], statement: grants.insert(newGrant()), ...CHANGE }),
    by: ['grants_lookup_unique'],
  },
  {
    what: 'the same grant',
    work: ({ grants }) => grants.findSame(newGrant()),
    by: ['grants_lookup_unique'],
  },
  {
    what: 'ended grants that are deleted',
    work: ({ grants }) => grants.retire(NOW, 500),
    by: ['grants_ended'],
  },
  {
    what: 'a new grant where the number of grants is limited',
    work: ({ change, grants }) => change({ statement: grants.insert(newGrant(), 100), ...CHANGE }),
    by: ['grants_lookup_unique', 'grants_instance'],
  },
  {
    what: 'deleted grants that are forgotten',
    work: ({ grants }) => grants.purge(NOW, 500),
    by: ['grants_deleted'],
  },
  {
    what: 'the deletion of a grant',
    work: ({ change, grants }) => change({ statement: grants.delete('a', NOW), ...CHANGE }),
    by: [],
  },
  {
    what: 'a claim, which looks for owners and counts claims',
    work: ({ change, grants }) => change({ statement: grants.claim(newGrant(), 100, NOW), ...CHANGE }),
    by: ['grants_owner', 'grants_claims'],
  },
  {
    what: 'a lapsed claim',
    work: ({ change, grants }) => change({ statement: grants.dropLapsed('a', NOW), ...CHANGE }),
    by: [],
  },
  {
    what: 'the end of a deletion',
    work: ({ finishDeletion }) => finishDeletion('a', DELETION, NOW),
    by: ['grants_instance', 'grants_owner'],
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
    what: 'what ends the credentials of a caller',
    work: ({ readCaller }) => readCaller(ALICE, TARGETS, NOW),
    by: ['revocations_target'],
  },
  {
    what: 'the revocations on some targets',
    work: ({ revocations }) => revocations.anyOn(TARGETS, NOW),
    by: ['revocations_target'],
  },
  {
    what: 'whether a ticket is revoked',
    work: ({ revocations }) => revocations.hits({ names: TARGETS, rev: 7 }, NOW),
    by: ['revocations_target'],
  },
  {
    what: 'a lifted lock',
    work: ({ change, revocations }) => change({ statement: revocations.lift('lock-1', NOW), ...CHANGE }),
    by: ['revocations_rev_unique'],
  },
  {
    what: 'a revocation that is written once',
    work: ({ change, revocations }) =>
      change({ statement: revocations.writeFirst(newRevocation()), ...CHANGE }),
    by: ['revocations_rev_unique'],
  },
  {
    what: 'a jump of the numbers',
    work: ({ revocations }) => revocations.jumpTo(7, NOW),
    by: ['revocations_rev_unique'],
  },
  {
    what: 'a mark',
    work: ({ revocations }) => revocations.mark('rollout counter', 'grant:rollout:counter', NOW),
    by: ['revocations_rev_unique'],
  },
  {
    what: 'old revocations that are forgotten',
    work: ({ revocations }) => revocations.purge(NOW, 500),
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
    work: ({ authSessions }) => authSessions.purge(NOW, 500),
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
  {
    what: 'the sign-ins of a person whose data are deleted',
    work: ({ change, authSessions }) =>
      change({ statement: authSessions.forget({ issuer: 'i', subject: 's' }), ...CHANGE }),
    by: ['auth_sessions_subject'],
  },
  {
    what: 'the grants of a person whose data are deleted',
    work: ({ change, grants }) => change({ statement: grants.forget(ALICE, 'deleted:a', NOW), ...CHANGE }),
    by: ['grants_lookup_unique'],
  },
  {
    what: 'the label of a person whose data are deleted',
    work: ({ change, principals }) => change({ statement: principals.forget(ALICE), ...CHANGE }),
    by: [],
  },
  {
    what: 'a new sign-in',
    work: ({ change, authSessions }) =>
      change({
        statement: authSessions.insert({
          ...{ id: 'a', issuer: 'i', subject: 's', sid: null, claims: {}, createdAt: NOW, expiresAt: NOW },
        }),
        ...CHANGE,
      }),
    by: [],
  },
  {
    what: 'a sign-out',
    work: ({ change, principals }) =>
      change({
        statement: principals.signOut({ id: ALICE, tokensBefore: NOW, loginsBefore: null, keptUntil: NOW }),
        ...CHANGE,
      }),
    by: [],
  },
  {
    what: 'the sight of a principal',
    work: ({ principals }) =>
      principals.see({ id: ALICE, label: 'alice', now: NOW, keptUntil: NOW, since: NOW }),
    by: [],
  },
  {
    what: 'the labels of some principals',
    work: ({ principals }) => principals.labelsOf([ALICE, 'auth0:p:b']),
    by: [],
  },
  {
    what: 'the principals of a label',
    work: ({ principals }) => principals.withLabel('alice', 21),
    by: ['principals_label'],
  },
  ...pages<ControlStore, { label: string; id: string }>(
    'principals by how their label begins, by label',
    { label: 'alice', id: 'm' },
    ({ principals }, after) => principals.list('al', after, 50),
    ['principals_label'],
  ),
  {
    what: 'grants and locks of some principals',
    work: ({ principals }) => principals.countsOf([{ id: ALICE, target: `principal:${ALICE}` }], NOW),
    by: ['grants_lookup_unique', 'revocations_target'],
  },
  {
    what: 'labels that are forgotten',
    work: ({ principals }) => principals.forgetLabels(500),
    by: ['principals_label'],
  },
  { what: 'a principal', work: ({ principals }) => principals.find(ALICE), by: [] },
  {
    what: 'old sign-outs that are forgotten',
    work: ({ principals }) => principals.purge(NOW, 500),
    by: ['principals_kept'],
  },
  { what: 'a token that counts once', work: ({ usedTokens }) => usedTokens.use('oidc:ci:1', NOW), by: [] },
  {
    what: 'the noted use of a token',
    work: ({ change, usedTokens }) => change({ statement: usedTokens.note('oidc:ci:1', NOW), ...CHANGE }),
    by: [],
  },
  { what: 'whether a token was used', work: ({ usedTokens }) => usedTokens.isUsed('oidc:ci:1'), by: [] },
  {
    what: 'used tokens that are forgotten',
    work: ({ usedTokens }) => usedTokens.purge(NOW, 500),
    by: ['used_tokens_expired'],
  },
  {
    what: 'the agent workers, of which there are few',
    work: ({ agentWorkers }) => agentWorkers.list(),
    by: [],
    scans: 'agent_workers',
  },
  {
    what: 'the answer of an agent worker',
    work: ({ agentWorkers }) => agentWorkers.note('agents.test', 'digest', NOW),
    by: [],
  },
  { what: 'a webhook', work: ({ webhooks }) => webhooks.find(uuidOf(1)), by: [] },
  {
    what: 'the webhooks, of which there are few',
    work: ({ webhooks }) => webhooks.list(),
    by: [],
    scans: 'webhooks',
    sorts: true,
  },
  {
    what: 'due webhooks, of the few that there are',
    work: ({ webhooks }) => webhooks.due(NOW),
    by: [],
    scans: 'webhooks',
    sorts: true,
  },
  {
    what: 'the reservation of a webhook',
    work: ({ webhooks }) => webhooks.take({ id: uuidOf(1), dueAt: NOW }, NOW + 1),
    by: [],
  },
  {
    what: 'the progress of a webhook',
    work: ({ webhooks }) => webhooks.note(uuidOf(1), NOW, { seq: 8 }),
    by: [],
  },
  {
    what: 'a new webhook, which counts the few that there are',
    work: ({ change, webhooks }) => change({ statement: webhooks.insert(webhook(), 20), ...CHANGE }),
    by: [],
    scans: 'webhooks',
  },
  {
    what: 'the deletion of a webhook',
    work: ({ change, webhooks }) => change({ statement: webhooks.delete(uuidOf(1)), ...CHANGE }),
    by: [],
  },
  {
    what: 'another place in the log for a webhook',
    work: ({ change, webhooks }) => change({ statement: webhooks.moveTo(uuidOf(1), 3, NOW), ...CHANGE }),
    by: [],
  },
  {
    what: 'the resealing of a webhook',
    work: ({ change, webhooks }) => change({ before: [webhooks.reseal(uuidOf(1), 'a', 'b')], ...CHANGE }),
    by: [],
  },
  { what: 'due outbox rows', work: ({ outbox }) => outbox.due(NOW, 50), by: ['outbox_due'] },
  {
    what: 'how many outbox rows wait, of a table that is empty most of the time',
    work: ({ outbox }) => outbox.count(),
    by: [],
    scans: 'outbox',
  },
  {
    what: 'the removal of an outbox row beside a change',
    work: ({ change, outbox }) => change({ statement: outbox.remove('a'), ...CHANGE }),
    by: [],
  },
  { what: 'an outbox row that is taken', work: ({ outbox }) => outbox.take(outboxRow(), NOW), by: [] },
  {
    what: 'an outbox row that has arrived at some agent workers',
    work: ({ outbox }) => outbox.noteDelivered('a', ['agents.test']),
    by: [],
  },
  { what: 'an outbox row that is done', work: ({ outbox }) => outbox.done('a'), by: [] },
  { what: 'the noted seal', work: ({ auditSeal }) => auditSeal.read(), by: [] },
  { what: 'a checkpoint that is noted', work: ({ auditSeal }) => auditSeal.note(SEAL), by: [] },
  {
    what: 'another seal in the place of the noted one',
    work: ({ auditSeal, change }) => change({ ...CHANGE, statement: auditSeal.replace(SEAL, SEAL) }),
    by: ['revocations_rev_unique'],
  },
  {
    what: 'all revocations in the order of their numbers',
    work: ({ revocations }) => revocations.following(7, 500),
    by: ['revocations_rev_unique'],
  },
];
