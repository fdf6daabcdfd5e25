import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isFull, sealAudit } from '@agent-ticket/broker/src/audit/sealer.ts';
import { readConfig } from '@agent-ticket/broker/src/config/config.ts';
import { createKeyring } from '@agent-ticket/broker/src/keys/keyring.ts';
import { openControl, openRecord } from '@agent-ticket/drizzle/open-libsql.ts';
import { openRecord as openRecordD1 } from '@agent-ticket/drizzle/record/open-d1.ts';
import type { RecordStore } from '@agent-ticket/drizzle/record/store.ts';
import type { AuditEvent } from '@agent-ticket/shared/audit-event.ts';
import { PrincipalId, TicketId } from '@agent-ticket/shared/names.ts';
import type { D1Database } from '@cloudflare/workers-types';
import { makeSecrets } from 'agent-ticket/src/open-secrets.ts';
import type { Measure } from './rounds.ts';
import type { Row } from './row.ts';
import type { Servers } from './servers.ts';

/** How many events of the audit log are sealed in a second, with runs of the sealer as far apart as its schedule has them. */

const EVENTS = 100_000;
const PORTION = 500;
const MINUTE_MS = 60_000;

/** The type of each event of a session in turn: a session that opens and ends has four. */
const TYPES = ['ticket.issued', 'ticket.used', 'session.opened', 'session.closed'] as const;
const PRINCIPAL = PrincipalId.parse('token:0123456789abcdef');

function event(number: number, at: number): AuditEvent {
  const type = TYPES[number % TYPES.length] ?? 'ticket.issued';
  return {
    ...{ eventId: crypto.randomUUID(), at, type, outcome: 'success', principal: PRINCIPAL },
    ...{ agent: 'counter', instance: `bench-${number % 100}`, jti: TicketId.parse(crypto.randomUUID()) },
    ...(type.startsWith('session') ? { sessionId: crypto.randomUUID() } : { requestId: crypto.randomUUID() }),
    ...{ ipAddress: '192.0.2.1', userAgent: 'bench', details: { scope: 'agent:connect', role: 'viewer' } },
  };
}

async function writeEvents(record: Pick<RecordStore, 'deliver'>, count: number): Promise<void> {
  const now = Date.now();
  for (let from = 0; from < count; from += PORTION) {
    const facts = Array.from({ length: PORTION }, (_, n) => ({ event: event(from + n, now) }));
    await record.deliver(facts, now);
  }
}

/**
 * Copies the events that there are until there are so many times as many, under ids of their own. By the database itself:
 * from another process a local D1 takes minutes for that many.
 */
async function multiplyEvents(db: D1Database, times: number): Promise<void> {
  const { results } = await db.prepare('PRAGMA table_info(audit_events)').all<{ name: string }>();
  const columns = results.map(({ name }) => name).filter((name) => name !== 'seq');
  const uuid = `lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-8' ||
    substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))`;
  const values = columns.map((name) => (name === 'event_id' ? uuid : name));
  const numbers = `WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < ${times})`;
  await db
    .prepare(`INSERT INTO audit_events (${columns}) ${numbers} SELECT ${values} FROM n, audit_events`)
    .run();
}

/**
 * The rate at which events may come for ever. A run that seals the whole backlog could have sealed more in its minute:
 * then the rate is that of its work. Otherwise one run of each minute is all there is.
 */
const sustained = (sealed: number, ms: number): number =>
  sealed >= EVENTS ? (sealed * 1000) / ms : (sealed * 1000) / Math.max(ms, MINUTE_MS);

/** One run of the sealer on libSQL files. Answers the number of sealed events and its time in ms. */
async function sealOnNode(): Promise<{ sealed: number; ms: number }> {
  const folder = await mkdtemp(join(tmpdir(), 'agent-ticket-bench-seal-'));
  const control = await openControl(`file:${folder}/control.db`);
  const record = await openRecord(`file:${folder}/record.db`);
  try {
    await writeEvents(record.store, EVENTS);
    const secrets = makeSecrets();
    const config = readConfig({
      ISSUER: 'http://127.0.0.1:8787',
      TICKET_AUDIENCE: 'bench',
      AGENT_WORKER_URL: 'http://127.0.0.1:8788',
      KEK: secrets.keyEncryptionKey,
      TOKEN_PEPPER: secrets.tokenPepper,
      MODE: 'development',
    });
    const log = (line: Readonly<Record<string, unknown>>): never => {
      throw new Error(JSON.stringify(line));
    };
    const stores = { control: control.store, record: record.store };
    const auditKeyring = createKeyring({
      ...stores,
      log,
      purpose: 'audit',
      config,
      randomBytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
      randomId: () => crypto.randomUUID(),
    });
    const begin = performance.now();
    let sealed = 0;
    // As a run of the schedule does: on while events wait behind a full checkpoint.
    for (;;) {
      const row = await sealAudit({ ...stores, config, auditKeyring, log }, Date.now());
      sealed += row?.count ?? 0;
      if (row === undefined || !isFull(row)) break;
    }
    return { sealed, ms: performance.now() - begin };
  } finally {
    await control.close();
    await record.close();
    await rm(folder, { recursive: true });
  }
}

/** One run of the cron trigger of the broker on Workers, of which sealing is nearly all the work. */
async function sealOnWorkers(servers: Servers): Promise<{ sealed: number; ms: number }> {
  const stack = await servers.freshStack();
  try {
    const db = await stack.workers.getD1Database('RECORD', 'broker');
    const record = openRecordD1(db);
    await writeEvents(record, PORTION);
    await multiplyEvents(db, EVENTS / PORTION);
    const broker = await stack.workers.getWorker('broker');
    const begin = performance.now();
    await broker.scheduled({ cron: '* * * * *' });
    const ms = performance.now() - begin;
    // Events are numbered from 1 on, and checkpoints leave none out.
    return { sealed: (await record.checkpoints.newest())?.through ?? 0, ms };
  } finally {
    await stack.close();
  }
}

const rate =
  (seal: (servers: Servers) => Promise<{ sealed: number; ms: number }>) =>
  async (servers: Servers): Promise<Measure> =>
  async () => {
    const { sealed, ms } = await seal(servers);
    return sustained(sealed, ms);
  };

const SEALS = `events sealed in a second for ever, from a backlog of ${EVENTS}`;

export const sealingRows: readonly Row[] = [
  {
    name: 'seal-node',
    does: `${SEALS}; Node and libSQL files`,
    unit: '/s',
    better: 'more',
    isQuick: false,
    rounds: 3,
    bounds: { goal: 5000, limit: 2000 },
    ours: rate(sealOnNode),
    floors: [],
  },
  {
    name: 'seal-workerd',
    does: `${SEALS}; workerd and local D1`,
    unit: '/s',
    better: 'more',
    isQuick: false,
    rounds: 3,
    bounds: { goal: 5000, limit: 2000 },
    ours: rate(sealOnWorkers),
    floors: [],
  },
];
