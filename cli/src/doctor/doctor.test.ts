import { describe, expect, it } from 'vitest';
import { faultOf } from './check.ts';
import { CONFIGURATION_CHECKS, type Configurations, WorkerConfiguration } from './configuration.ts';
import { DEPLOYMENT_CHECKS } from './doctor.ts';
import type { Facts, Reply } from './facts.ts';

const NOW = 1_700_000_000_000;
const BROKER = 'https://broker.example';
const ORIGIN = 'https://app.example';

const reply = (body: Reply['body'], status = 200, headers: Record<string, string> = {}): Reply => ({
  status,
  body,
  headers: new Headers(headers),
});
const READY = {
  ...{ mint: true, verify: true, record: true, key_sets_unusable: [], waiting_age: null, changes_waiting: 0 },
  ...{ audit_seal: 'agrees', keys_revoked_in_record: 0, archive_overdue: null },
  ...{ checkpoint_age: 20, workers_differing: 0, workers_unanswered: 0 },
};
const ready = (member: object) => ({ ready: reply({ ...READY, ...member }) });
const KEYS = { keys: [{ kid: 'k1' }] };
const TICKET = { ticket: 'a.b.c', url: 'wss://agents.example/agents/lobby/default' };
const UNAUTHORIZED = reply({ error: { code: 'UNAUTHORIZED' } }, 401, { date: new Date(NOW).toUTCString() });

const WELL: Facts = {
  ...{ broker: BROKER, hasCredential: true, now: NOW, agent: 'lobby', origin: ORIGIN },
  health: reply({ status: 'ok' }),
  ready: reply(READY),
  metadata: reply({ issuer: BROKER }),
  keySet: reply(KEYS, 200, { 'cache-control': 'public, max-age=60' }),
  auditKeySet: reply(KEYS),
  me: reply({ method: 'service-token', expires_at: null }),
  keys: reply({ items: [{ state: 'active', activates_at: new Date(NOW - 1000).toISOString() }] }),
  ticket: reply(TICKET, 201),
  header: { kid: 'k1' },
  claims: { iss: BROKER, iat: NOW / 1000 },
  agentWorker: UNAUTHORIZED,
  socket: { admitted: true, text: 'admitted' },
  brokerPreflight: reply(undefined, 204, { 'access-control-allow-origin': ORIGIN }),
  agentWorkerFromOrigin: UNAUTHORIZED,
};

const PAGE = reply(undefined, 302);
const closed = (code?: number) => ({
  socket: { admitted: false, text: 'closed', ...(code === undefined ? {} : { code }) },
});
const soon = new Date(NOW + 3_600_000).toISOString();

const findings = (facts: Facts) =>
  DEPLOYMENT_CHECKS.flatMap(({ name, look }) => {
    const found = faultOf(look(facts));
    return found === undefined ? [] : [{ name, found }];
  });

it('nothing is wrong with a deployment that is well, and every check looked at something', () => {
  expect(DEPLOYMENT_CHECKS.map(({ name, look }) => [name, look(WELL)])).toEqual(
    DEPLOYMENT_CHECKS.map(({ name }) => [name, undefined]),
  );
});

/** One fault each: the check that finds it, and what its text tells to do. */
const FAULTS: readonly (readonly [fault: string, facts: Partial<Facts>, check: string, remedy: string])[] = [
  ['the address is wrong', { health: undefined }, 'address answers', 'DNS'],
  ['Access is in front of the broker', { health: PAGE }, 'no sign-in in front', 'Access'],
  ['another server answers', { health: reply(undefined, 200) }, 'broker answers', 'ISSUER'],
  [
    'the issuer is another',
    { metadata: reply({ issuer: `${BROKER}/` }), claims: { iss: `${BROKER}/`, iat: NOW / 1000 } },
    'issuer is the address',
    'character by character',
  ],
  [
    'the clock of the broker is off',
    { claims: { iss: BROKER, iat: NOW / 1000 - 60 } },
    'clock of the broker',
    'NTP',
  ],
  [
    'KEK is wrong, or a table is missing',
    { ready: reply({ ...READY, mint: false, error: { message: 'no key opens' } }, 503) },
    'tickets can be minted',
    'KEK_PREVIOUS',
  ],
  ['no key is published', ready({ verify: false }), 'keys can be handed out', 'KEK'],
  ['the record database is away', ready({ record: false }), 'record is written', 'migrations'],
  ['an issuer has no usable key', ready({ key_sets_unusable: ['auth0:x'] }), 'keys of issuers', 'domain'],
  [
    'the audit log is another one',
    ready({ audit_seal: 'rewritten' }),
    'audit log is the noted one',
    'accept-restore',
  ],
  ['a revoked key is back', ready({ keys_revoked_in_record: 1 }), 'no revoked key is back', 'keys revoke'],
  ['the cron trigger does not run', ready({ checkpoint_age: 900 }), 'cron trigger', 'crons'],
  ['the archive is away', ready({ archive_overdue: 7200 }), 'archive keeps up', 'archive_refused'],
  ['events wait', ready({ waiting_age: 900 }), 'events arrive', 'record database'],
  ['changes wait', ready({ changes_waiting: 101 }), 'changes are delivered', 'AGENT_WORKER_URL'],
  ['the registries differ', ready({ workers_differing: 1 }), 'registries agree', 'agents.ts'],
  [
    'an agent worker does not answer',
    ready({ workers_unanswered: 1 }),
    'agent workers answer',
    'AGENT_WORKER_URL',
  ],
  ['Access is in front of the key set', { keySet: PAGE }, 'key set is public', 'bypass'],
  [
    'the audit keys are not public',
    { auditKeySet: reply(undefined, 403) },
    'audit keys are public',
    'bypass',
  ],
  [
    'the key set is empty',
    { keySet: reply({ keys: [] }, 200, { 'cache-control': 'max-age=60' }), header: undefined },
    'key set is public',
    'no key',
  ],
  [
    'a cache keeps the key set',
    { keySet: reply(KEYS, 200, { 'cache-control': 'max-age=86400' }) },
    'key set is fresh',
    'cache',
  ],
  ['the credential is refused', { me: reply({}, 401) }, 'credential', 'TOKEN_PEPPER'],
  [
    'the credential ends soon',
    { me: reply({ method: 'service-token', expires_at: soon }) },
    'credential lasts',
    'service-tokens create',
  ],
  [
    'rotation does not run',
    { keys: reply({ items: [{ state: 'active', activates_at: '2023-01-01T00:00:00Z' }] }) },
    'keys are rotated',
    'keys rotate',
  ],
  ['no key is active', { keys: reply({ items: [{ state: 'pending' }] }) }, 'keys are rotated', 'keys list'],
  [
    'no ticket is given',
    { ticket: reply({ error: { message: 'not allowed' } }, 403), agentWorker: undefined, socket: undefined },
    'ticket',
    'explain lobby',
  ],
  [
    'tickets are of another issuer',
    { claims: { iss: 'https://other.example', iat: NOW / 1000 } },
    'issuer of tickets',
    'two brokers',
  ],
  ['the signing key is not published', { header: { kid: 'k2' } }, 'key of tickets', 'cache'],
  [
    'tickets go where TLS is not',
    { ticket: reply({ ...TICKET, url: 'ws://agents.example/a' }, 201) },
    'address of agents is safe',
    'https',
  ],
  ['nothing is where the agents are', { agentWorker: undefined }, 'agent worker answers', 'AGENT_WORKER_URL'],
  [
    'Access is in front of the agents',
    { agentWorker: reply(undefined, 403) },
    'no sign-in in front of agents',
    'Access',
  ],
  ['the gate is missing', { agentWorker: reply({}, 200) }, 'agents ask for a ticket', 'createGate'],
  [
    'the agent worker has no such agent',
    { agentWorker: reply({}, 404) },
    'agents ask for a ticket',
    'agents.ts',
  ],
  [
    'the clock of the agent worker is off',
    {
      agentWorker: reply({ error: { code: 'UNAUTHORIZED' } }, 401, {
        date: new Date(NOW - 60_000).toUTCString(),
      }),
    },
    'clock of the agent worker',
    'NTP',
  ],
  ['the audiences differ', closed(4001), 'a socket opens', 'TICKET_AUDIENCE'],
  ['the agents do not reach the keys', closed(1013), 'a socket opens', 'BROKER_JWKS_URL'],
  ['a lock is in force', closed(4003), 'a socket opens', 'locks list'],
  ['a proxy lets no WebSocket through', closed(), 'a socket opens', 'proxy'],
  [
    'the broker does not know the origin',
    { brokerPreflight: reply(undefined, 204) },
    'origin at the broker',
    'ALLOWED_ORIGINS',
  ],
  [
    'the agent worker does not know the origin',
    { agentWorkerFromOrigin: reply({}, 403) },
    'origin at the agent worker',
    'ALLOWED_ORIGINS',
  ],
];

describe('of a deployment doctor finds that', () => {
  it.each(FAULTS)('%s, and nothing else', (_fault, facts, check, remedy) => {
    expect(findings({ ...WELL, ...facts })).toEqual([
      { name: check, found: expect.stringContaining(remedy) },
    ]);
  });
});

it.each([
  [401, undefined],
  [403, expect.stringContaining('ALLOWED_ORIGINS')],
  [404, { skipped: expect.stringContaining('404') }],
])('without a ticket, an agent that answers a page with %d is found', (status, finding) => {
  const look = DEPLOYMENT_CHECKS.find(({ name }) => name === 'origin at the agent worker')?.look;
  const facts = { ...WELL, ticket: undefined, socket: undefined, agentWorker: undefined };
  expect(look?.({ ...facts, agentWorkerFromOrigin: reply(undefined, status) })).toEqual(finding);
});

it('what is not known says why, and hides no check that needs nothing of it', () => {
  const noTicket = { ticket: reply({ error: { message: 'no' } }, 403), header: undefined, claims: undefined };
  const facts = {
    ...WELL,
    ...noTicket,
    agentWorker: undefined,
    socket: undefined,
    agentWorkerFromOrigin: undefined,
  };
  const found = new Map(DEPLOYMENT_CHECKS.map(({ name, look }) => [name, look(facts)]));
  expect(found.get('a socket opens')).toEqual({ skipped: expect.stringContaining('ticket') });
  expect(found.get('origin at the agent worker')).toEqual({ skipped: expect.stringContaining('ticket') });
  expect(found.get('origin at the broker')).toBeUndefined();
  const unasked = DEPLOYMENT_CHECKS.map(({ look }) =>
    look({ ...facts, origin: undefined, ready: undefined }),
  );
  for (const each of unasked) if (typeof each === 'object') expect(each.skipped).toMatch(/^[A-Z/].*\.$/);
  expect(unasked).toContainEqual({ skipped: expect.stringContaining('--origin') });
});

const ID = (n: number) => `7a1c9d3e-0000-4000-8000-00000000000${n}`;
const VARS = { ISSUER: 'https://broker.own.test', TICKET_AUDIENCE: 'agents.own.test' };
const FILES = {
  broker: {
    vars: { ...VARS, AGENT_WORKER_URL: 'https://agents.own.test' },
    d1_databases: [
      { binding: 'CONTROL', database_id: ID(1) },
      { binding: 'RECORD', database_id: ID(2) },
    ],
    durable_objects: { bindings: [{ name: 'MINT_SHARD' }] },
    triggers: { crons: ['* * * * *'] },
    ...{ workers_dev: false, preview_urls: false },
    observability: { enabled: true, redact_query_string: true },
  },
  agentWorker: {
    vars: { ...VARS },
    d1_databases: [{ binding: 'RECORD', database_id: ID(2) }],
    services: [{ binding: 'BROKER', service: 'broker' }],
  },
};
const read = (files: typeof FILES): Configurations => ({
  broker: WorkerConfiguration.parse(files.broker),
  agentWorker: WorkerConfiguration.parse(files.agentWorker),
});
const found = (files: typeof FILES) =>
  CONFIGURATION_CHECKS.flatMap(({ name, look }) => {
    const finding = look(read(files));
    return finding === undefined ? [] : [{ name, finding }];
  });

it('nothing is wrong with files that are well', () => {
  expect(found(FILES)).toEqual([]);
});

describe('of files doctor finds that', () => {
  it.each<readonly [fault: string, change: (files: typeof FILES) => void, check: string, remedy: string]>([
    [
      'a setting is missing',
      ({ broker }) => {
        broker.vars.AGENT_WORKER_URL = '';
      },
      'settings are there',
      'AGENT_WORKER_URL',
    ],
    [
      'a placeholder is left',
      ({ broker }) => {
        broker.vars.AGENT_WORKER_URL = 'https://agents.example.com';
      },
      'addresses are own',
      'AGENT_WORKER_URL',
    ],
    [
      'a database was not made',
      ({ broker }) => {
        broker.d1_databases[0] = {
          binding: 'CONTROL',
          database_id: '00000000-0000-0000-0000-000000000001',
        };
      },
      'databases are made',
      'agent-ticket deploy',
    ],
    [
      'issuers differ by a slash',
      ({ agentWorker }) => {
        agentWorker.vars.ISSUER += '/';
      },
      'issuer is one',
      'character by character',
    ],
    [
      'audiences differ',
      ({ agentWorker }) => {
        agentWorker.vars.TICKET_AUDIENCE = 'other';
      },
      'audience is one',
      'TICKET_AUDIENCE',
    ],
    [
      'record databases differ',
      ({ agentWorker }) => {
        agentWorker.d1_databases[0] = { binding: 'RECORD', database_id: ID(3) };
      },
      'record is one',
      'database_id',
    ],
    [
      'agents may write policy',
      ({ agentWorker }) => void agentWorker.d1_databases.push({ binding: 'X', database_id: ID(1) }),
      'policy is apart',
      'database of its own',
    ],
    [
      'the cron trigger is missing',
      ({ broker }) => {
        broker.triggers.crons = [];
      },
      'cron is configured',
      'crons',
    ],
    [
      'mint shards are not bound',
      ({ broker }) => {
        broker.durable_objects.bindings = [];
      },
      'mint shards are bound',
      'MintShardObject',
    ],
    [
      'the broker is on workers.dev',
      ({ broker }) => {
        broker.workers_dev = true;
      },
      'no other hostname',
      'workers_dev',
    ],
    [
      'the mode is of development',
      ({ agentWorker }) => void Object.assign(agentWorker.vars, { MODE: 'development' }),
      'production',
      'MODE',
    ],
    [
      'a secret is in a file',
      ({ broker }) => void Object.assign(broker.vars, { KEK: 'x' }),
      'no secret in a file',
      'wrangler secret put',
    ],
    [
      'a key of callbacks is in a file',
      ({ agentWorker }) => void Object.assign(agentWorker.vars, { CALLBACK_KEY: 'x' }),
      'no secret in a file',
      'CALLBACK_KEY',
    ],
    [
      'the broker logs queries',
      ({ broker }) => {
        broker.observability.redact_query_string = false;
      },
      'no query in logs',
      'redact_query_string',
    ],
    [
      'the agent worker logs queries',
      ({ agentWorker }) => void Object.assign(agentWorker, { observability: { enabled: true } }),
      'no query in logs',
      'redact_query_string',
    ],
    [
      'the keys do not reach the agents',
      ({ agentWorker }) => {
        agentWorker.services = [];
        Object.assign(agentWorker.vars, { BROKER_JWKS_URL: 'http://x.test' });
      },
      'keys reach the agents',
      'BROKER',
    ],
  ])('%s, and nothing else', (_fault, change, check, remedy) => {
    const files = structuredClone(FILES);
    change(files);
    expect(found(files)).toEqual([{ name: check, finding: expect.stringContaining(remedy) }]);
  });
});
