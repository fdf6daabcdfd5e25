import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import * as z from 'zod';
import { archiveAudit, archiveOverdue } from '../../src/audit/archive.ts';
import type { ArchiveStore } from '../../src/audit/archive-store.ts';
import { sealAudit } from '../../src/audit/sealer.ts';
import type { BrokerPorts } from '../../src/runtime/ports.ts';
import { deliverEvents } from '../../src/webhooks/deliver.ts';
import { type OperatorBroker, ROOT, startOperatorBroker } from './admin/operator-broker.ts';
import { bodyOf } from './answers.ts';
import { DAY_MS, LATER, type MemoryArchive, MINUTE_MS, memoryArchive, SMALL, START } from './archive.ts';
import { Created, createWebhook, RECEIVER, standardReceiver, webhooksOf, writeDenials } from './webhooks.ts';

/** Those who read the log while a part of it is in the archive. */

const CODES = [
  'one',
  'two',
  'three',
  'four',
  'five',
  'six',
  'seven',
  'eight',
  'nine',
  'ten',
  'eleven',
  'twelve',
];

let broker: OperatorBroker;
let archive: MemoryArchive;
let ports: BrokerPorts;
/** An archive that nobody may ask. */
const away: ArchiveStore = {
  get: () => Promise.reject(new Error('fetch failed')),
  put: () => Promise.reject(new Error('fetch failed')),
  delete: () => Promise.reject(new Error('fetch failed')),
};

beforeEach(async () => {
  // The library that verifies messages reads the clock of the process.
  vi.useFakeTimers({ toFake: ['Date'] });
  broker = await startOperatorBroker();
  Object.defineProperty(broker.clock, 'now', {
    get: () => Date.now() / 1000,
    set: (seconds: number) => void vi.setSystemTime(seconds * 1000),
  });
  vi.setSystemTime(START);
  archive = memoryArchive();
  ports = withArchive(archive);
});

afterEach(() => {
  vi.useRealTimers();
});

const withArchive = (store: ArchiveStore): BrokerPorts => ({
  ...broker.ports,
  archive: store,
  config: { ...broker.ports.config, auditHotMs: 7 * DAY_MS },
});

/** A log of twelve denials, two a minute, of which the first ten and what operators did before are in the archive. */
async function archived(): Promise<void> {
  for (const [index, code] of CODES.entries()) {
    await writeDenials(broker, [code]);
    if (index % 2 === 0) continue;
    broker.clock.now += 60;
    await sealAudit(ports, broker.clock.now * 1000);
  }
  while (await archiveAudit(ports, broker.clock.now * 1000 + 8 * DAY_MS, SMALL));
  expect(archive.files.size).toBeGreaterThan(1);
}

describe('the list of the audit log', () => {
  const Page = z.looseObject({
    items: z.array(z.looseObject({ seq: z.int(), code: z.string().nullable() })),
    archived_through: z.int().nullable(),
  });
  /** Of a broker that has no archive to ask. */
  const list = async (query = '') =>
    Page.parse(await bodyOf(await broker.call(ROOT, 'GET', `/admin/agents/audit${query}`)));

  it('says that nothing is in an archive', async () => {
    expect((await list()).archived_through).toBeNull();
  });

  it('says up to where events are in the archive, without one to ask', async () => {
    await archived();
    const { items, archived_through: through } = await list();
    expect(through).toBeGreaterThan(0);
    const oldest = items.at(-1)?.seq ?? 0;
    expect(oldest).toBe((through ?? 0) + 1);
    expect((await list('?code=one')).items).toEqual([]);
    expect((await list('?code=twelve')).items).toHaveLength(1);
  });
});

describe('a webhook whose receiver was away while events moved to the archive', () => {
  const receive = async () => {
    const answer = await broker.call(ROOT, 'POST', '/admin/webhooks', {
      ...{ name: 'siem', url: RECEIVER, types: ['ticket.denied'] },
    });
    const { secret } = Created.parse(await answer.json());
    const receiver = standardReceiver(() => secret);
    return receiver;
  };
  const minute = async (p: BrokerPorts): Promise<void> => {
    broker.clock.now += 601;
    await deliverEvents(p);
  };

  it('gets each of them, in their order', async () => {
    const receiver = await receive();
    await archived();
    broker.receivers.set(RECEIVER, receiver.receive);
    await minute(ports);
    expect(receiver.taken).toEqual(CODES);
    expect((await webhooksOf(broker))[0]).toMatchObject({ events_skipped: 0, last_fault: null });
  });

  it('gets none past a segment that is lost, until that is back', async () => {
    const receiver = await receive();
    await archived();
    broker.receivers.set(RECEIVER, receiver.receive);
    const [[name, content] = ['', new Uint8Array()]] = [...archive.files].slice(1);
    archive.files.delete(name);
    await minute(ports);
    const before = receiver.taken.length;
    expect(before).toBeLessThan(CODES.length);
    expect((await webhooksOf(broker))[0]).toMatchObject({ events_skipped: 0, last_fault: 'archive_missing' });
    archive.files.set(name, content);
    await minute(ports);
    expect(receiver.taken).toEqual(CODES);
  });

  it('waits while the archive is away', async () => {
    const receiver = await receive();
    await archived();
    broker.receivers.set(RECEIVER, receiver.receive);
    await minute(withArchive(away));
    expect(receiver.taken).toEqual([]);
    expect((await webhooksOf(broker))[0]).toMatchObject({
      last_fault: 'archive_unavailable',
      events_skipped: 0,
    });
    await minute(ports);
    expect(receiver.taken).toEqual(CODES);
  });

  it('waits alone: others that need no archive get their events, however many wait', async () => {
    for (let waiting = 0; waiting < 5; waiting += 1) await createWebhook(broker);
    await archived();
    const { secret } = await createWebhook(broker, { url: `${RECEIVER}/recent` });
    const receiver = standardReceiver(() => secret);
    broker.receivers.set(`${RECEIVER}/recent`, receiver.receive);
    await writeDenials(broker, ['recent']);
    broker.clock.now += 60;
    await sealAudit(ports, broker.clock.now * 1000);
    await minute(withArchive(away));
    expect(receiver.taken).toEqual(['recent']);
    const faults = (await webhooksOf(broker)).map((row) => row.last_fault);
    expect(faults.filter((fault) => fault === 'archive_unavailable')).toHaveLength(5);
  });

  it('can be moved back to events of the archive', async () => {
    const receiver = await receive();
    broker.receivers.set(RECEIVER, receiver.receive);
    await archived();
    await minute(ports);
    const id = String((await webhooksOf(broker))[0]?.id);
    const moved = await broker.call(ROOT, 'POST', `/admin/webhooks/${id}/redeliver`, { after: 0 });
    expect(await bodyOf(moved)).toMatchObject({ delivered_through: 0 });
    await minute(ports);
    expect(receiver.shown).toEqual([...CODES, ...CODES]);
  });
});

describe('the time for which events have waited for the archive', () => {
  it('is unknown without an archive, nothing while none is due, and grows from when a segment is due', async () => {
    expect(await archiveOverdue(broker.ports, LATER)).toBeUndefined();
    expect(await archiveOverdue(ports, LATER)).toBe(0);
    for (let minute = 0; minute <= 1_441; minute += 1) await sealAudit(ports, START + minute * MINUTE_MS);
    const end = (await ports.record.checkpoints.find(1_440))?.at ?? 0;
    const due = end + 7 * DAY_MS;
    expect(await archiveOverdue(ports, due)).toBe(0);
    expect(await archiveOverdue(ports, due + 2 * MINUTE_MS)).toBe(2 * MINUTE_MS);
    expect(await archiveOverdue(ports, due + DAY_MS)).toBe(DAY_MS);
    expect(await archiveAudit(ports, due + DAY_MS)).toBe(true);
    expect(await archiveOverdue(ports, due + DAY_MS)).toBe(0);
  });
});
