import type { AuditEvent } from '@agent-ticket/shared/audit-event.ts';
import { readKeySet } from '@agent-ticket/shared/key-set.ts';
import { PrincipalId, TicketId } from '@agent-ticket/shared/names.ts';
import { expect, it } from 'vitest';
import { exportAudit } from '../../src/audit/export.ts';
import { verifyExport } from '../../src/audit/proof/verify.ts';
import { sealAudit } from '../../src/audit/sealer.ts';
import { createKeyring } from '../../src/keys/keyring.ts';
import { DEFAULT_SCHEDULE } from '../../src/keys/schedule.ts';
import { openFiles } from './folder.ts';
import { NOW } from './start-broker.ts';

/** A million takes minutes; `AUDIT_ROWS=1000000` runs it. */
const ROWS = Number(process.env.AUDIT_ROWS ?? 20_000);
const PAGE = 500;

const eventOf = (n: number): AuditEvent => {
  const tail = String(n).padStart(12, '0');
  return {
    eventId: `00000000-0000-4000-8000-${tail}`,
    at: NOW * 1000 + n,
    type: 'ticket.issued',
    outcome: 'success',
    principal: PrincipalId.parse(`token:${n % 97}`),
    agent: 'counter',
    instance: `main-${n % 31}`,
    jti: TicketId.parse(`10000000-0000-4000-8000-${tail}`),
    ipAddress: '192.0.2.1',
    userAgent: 'a program',
    details: { role: 'viewer' },
  };
};

async function largeLog() {
  const { control, record } = await openFiles();
  for (let from = 0; from < ROWS; from += PAGE) {
    const length = Math.min(PAGE, ROWS - from);
    const facts = Array.from({ length }, (_, index) => ({ event: eventOf(from + index + 1) }));
    await record.store.deliver(facts, NOW * 1000);
  }
  const auditKeyring = createKeyring({
    control: control.store,
    record: record.store,
    log: () => {},
    purpose: 'audit',
    config: { keySchedule: DEFAULT_SCHEDULE, keyEncryptionKey: new Uint8Array(32).fill(7) },
    randomBytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
    randomId: () => crypto.randomUUID(),
  });
  const sealer = {
    control: control.store,
    record: record.store,
    config: { issuer: 'https://broker.test' },
    auditKeyring,
    log: () => {},
  };
  let minute = 0;
  for (let through = -1; through < ROWS; minute += 1)
    through = (await sealAudit(sealer, (NOW + 60 * minute) * 1000))?.through ?? ROWS;
  const jwks = (await auditKeyring.published(NOW * 1000)).map(({ material }) => material.publicJwk);
  const keys = await readKeySet(new TextEncoder().encode(JSON.stringify({ keys: jwks })), ['ES256']);
  return { record: record.store, keys: keys ?? new Map(), checkpoints: minute };
}

it('an export of a large log holds two pages at most, breaks off, goes on, and is sound as a whole', {
  timeout: 900_000,
}, async () => {
  const { record, keys, checkpoints } = await largeLog();
  /** Rows that were read and that the reader has not got yet. */
  let [inFlight, most, largest] = [0, 0, 0];
  const segments = {
    ...record.segments,
    following: async (after: number, limit: number) => {
      const found = await record.segments.following(after, limit);
      inFlight += found.rows.length;
      most = Math.max(most, inFlight);
      return found;
    },
  };
  const counted = { record: { ...record, segments } };

  async function* lines(after: number, limit: number) {
    let rest = '';
    let seen = 0;
    const decoder = new TextDecoder();
    for await (const chunk of exportAudit(counted, after)) {
      const texts = (rest + decoder.decode(chunk, { stream: true })).split('\n');
      rest = texts.pop() ?? '';
      largest = Math.max(largest, texts.length);
      inFlight -= texts.filter((text) => text.startsWith('{"event"')).length;
      for (const text of texts) {
        if (seen >= limit) return;
        seen += 1;
        yield text;
      }
    }
  }
  let last = 0;
  /** As a client does: until the connection breaks, then on after the last event that arrived. */
  async function* resumed() {
    for (const limit of [Math.floor(ROWS / 3), Math.floor(ROWS / 3), Number.POSITIVE_INFINITY]) {
      inFlight = 0;
      for await (const line of lines(last, limit)) {
        last = Number(/^\{"event":\{"seq":(\d+)/.exec(line)?.[1] ?? last);
        yield line;
      }
    }
  }

  expect(await verifyExport(resumed(), keys)).toMatchObject({
    events: ROWS,
    content: [],
    order: [],
    gaps: [],
    from: 1,
    tail: { faults: [], provenThrough: ROWS, unproven: 0 },
  });
  expect(last).toBe(ROWS);
  expect(most).toBeGreaterThan(0);
  expect(most).toBeLessThanOrEqual(2 * PAGE);
  expect(largest).toBeLessThanOrEqual(PAGE + checkpoints + 1);
});
