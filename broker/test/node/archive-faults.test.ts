import type { SegmentRow } from '@agent-ticket/drizzle/record/audit-segments.ts';
import type { AuditEvent } from '@agent-ticket/shared/audit-event.ts';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type ArchiveStore, REQUEST_MS } from '../../src/audit/archive-store.ts';
import { verifyExport } from '../../src/audit/proof/verify.ts';
import { purgeSegment } from '../../src/audit/retention.ts';
import { sealAudit } from '../../src/audit/sealer.ts';
import type { BrokerPorts } from '../../src/runtime/ports.ts';
import {
  archiveAll,
  archivedBroker,
  auditKeys,
  DAY_MS,
  exportText,
  gunzipped,
  gzipped,
  LATER,
  linesOf,
  type MemoryArchive,
  MINUTE_MS,
  memoryArchive,
  recordRows,
  START,
  withSegments,
  writeEvents,
} from './archive.ts';

let archive: MemoryArchive;
let ports: BrokerPorts;
let folder: string;
beforeEach(async () => {
  archive = memoryArchive();
  const started = await archivedBroker(archive);
  ({ ports } = started);
  folder = started.broker.folder;
});

describe('a segment that somebody took away or changed', () => {
  const nameOf = (index: number): string => [...archive.files.keys()].toSorted()[index] ?? '';
  const content = (index: number) => archive.files.get(nameOf(index)) ?? new Uint8Array();

  beforeEach(() => archiveAll(ports));
  afterEach(() => {
    vi.unstubAllGlobals();
  });

  it.each<readonly [string, 'missing' | 'altered', () => void | Promise<void>]>([
    ['is missing', 'missing', () => void archive.files.delete(nameOf(0))],
    ['is empty', 'altered', () => void archive.files.set(nameOf(0), new Uint8Array())],
    ['is no gzip', 'altered', () => void archive.files.set(nameOf(0), new Uint8Array(100).fill(7))],
    ['was cut', 'altered', () => void archive.files.set(nameOf(0), content(0).subarray(0, -20))],
    [
      'has more behind it',
      'altered',
      () => void archive.files.set(nameOf(0), joined(content(0), content(0))),
    ],
    ['is the next one', 'altered', () => void archive.files.set(nameOf(0), content(1))],
    [
      'has an event that was changed',
      'altered',
      async () => {
        const text = (await gunzipped(content(0))).replace('"number_1"', '"number_9"');
        archive.files.set(nameOf(0), await gzipped(text));
      },
    ],
    [
      'expands to a hundred megabytes',
      'altered',
      async () => void archive.files.set(nameOf(0), await gzipped('x'.repeat(100_000_000))),
    ],
  ])('that %s is named by a verification, and the rest is proven', async (_how, fault, change) => {
    await change();
    const text = await exportText(ports);
    const name = expect.stringMatching(/^000000000001-000000000003-[0-9a-f]{16}\.ndjson\.gz$/);
    expect(JSON.parse(linesOf(text)[0] ?? '')).toEqual({
      segment: { name, from: 1, through: 5, fault },
    });
    const result = await verifyExport(linesOf(text), await auditKeys(ports));
    expect(result.gaps).toEqual([
      expect.stringMatching(
        /^segment 000000000001-000000000003-\w+\.ndjson\.gz of the archive, events 1 to 5,/,
      ),
    ]);
    expect(result).toMatchObject({ content: [], order: [], tail: { faults: [], provenThrough: 13 } });
  });

  it('costs no more memory than the text that was noted, however far it expands', async () => {
    let expanded = 0;
    const Real = DecompressionStream;
    vi.stubGlobal(
      'DecompressionStream',
      class {
        readonly readable: ReadableStream<Uint8Array>;
        readonly writable: WritableStream;
        constructor(format: 'gzip') {
          const { readable, writable } = new Real(format);
          this.writable = writable;
          this.readable = readable.pipeThrough(
            new TransformStream({
              transform(chunk: Uint8Array, controller) {
                expanded += chunk.length;
                controller.enqueue(chunk);
              },
            }),
          );
        }
      },
    );
    archive.files.set(nameOf(0), await gzipped('x'.repeat(30_000_000)));
    expect(linesOf(await exportText(ports))[0]).toContain('"altered"');
    expect(expanded).toBeGreaterThan(0);
    expect(expanded).toBeLessThan(1_000_000);
  });

  it('is not read to its end where it has no end', async () => {
    let sent = 0;
    const endless: ArchiveStore = {
      ...archive,
      get: async () =>
        new ReadableStream({
          pull(controller) {
            sent += 10_000;
            controller.enqueue(new Uint8Array(10_000));
          },
        }),
    };
    const text = await exportText({ ...ports, archive: endless });
    expect(linesOf(text).filter((line) => line.includes('"altered"'))).toHaveLength(2);
    expect(sent).toBeLessThan(300_000);
  });

  it('is no loss where retention deletes it while it is read', async () => {
    const deleting: ArchiveStore = {
      ...archive,
      get: async (name) => {
        await purgeSegment(ports, START + 500 * DAY_MS);
        return archive.get(name);
      },
    };
    const text = await exportText({ ...ports, archive: deleting });
    expect(text).not.toContain('"fault"');
  });

  it('is one that an export cannot read without an archive', async () => {
    const text = await exportText({ ...ports, archive: undefined });
    expect(linesOf(text).filter((line) => line.includes('no_archive'))).toHaveLength(2);
  });

  it('ends an export with an error while the archive does not answer, so that no gap is taken for a loss', async () => {
    const away: ArchiveStore = { ...archive, get: () => Promise.reject(new Error('fetch failed')) };
    await expect(exportText({ ...ports, archive: away })).rejects.toThrow('the archive failed');
  });
});

describe('a row of a segment that no broker wrote', () => {
  const ROW = { n: 3, fromN: 1, from: 1, through: 5, at: 0, bytes: 9, digest: 'a'.repeat(64), purgedAt: 1 };
  /** SQLite stores any value in any column, and so does its driver answer them. */
  const forged = (differs: object): SegmentRow => Object.assign({ ...ROW }, differs);

  it.each([
    ['a path as its number', forged({ fromN: '../../other/key?x=' })],
    ['a path as its digest', forged({ digest: 'x/../../key' })],
    ['a text as its length', forged({ bytes: 'x' })],
  ])('with %s reads and deletes no file', async (_how, row) => {
    const asked: string[] = [];
    const watched: ArchiveStore = {
      get: async (name) => void asked.push(name),
      put: async (name) => void asked.push(name),
      delete: async (name) => void asked.push(name),
    };
    const store = withSegments(
      { ...ports, archive: watched },
      {
        oldest: async () => row,
        following: async (after) => ({ segment: after < row.through ? row : undefined, rows: [] }),
      },
    );
    const lines = linesOf(await exportText(store));
    expect(lines.join('\n')).toContain('"fault":"altered"');
    // A verification names it, and takes the line for none of an unknown kind.
    const { content, gaps } = await verifyExport(lines, await auditKeys(ports));
    expect({ content, gaps }).toEqual({
      content: [],
      gaps: [expect.stringContaining('row-that-no-broker-wrote')],
    });
    await expect(purgeSegment(store, LATER)).rejects.toThrow('none that a broker wrote');
    expect(asked).toEqual([]);
  });

  it.each([
    ['that no checkpoint has', 'n + 1000, through + 1000000'],
    ['of a checkpoint that ends elsewhere', 'n, through + 3'],
    ['before those of any checkpoint', '-5, 1000000'],
  ])('with numbers %s hides no event, and stops none from moving', async (_which, numbers) => {
    const before = await exportText(ports);
    await recordRows(folder).change(
      `INSERT INTO audit_segments SELECT ${numbers.split(', ')[0]}, 1, 1, ${numbers.split(', ')[1]}, 0, 9, '${'a'.repeat(64)}', NULL
       FROM audit_checkpoints ORDER BY n DESC LIMIT 1`,
    );
    expect(await exportText(ports)).toBe(before);
    expect(await archiveAll(ports)).toBe(2);
    expect(await exportText(ports)).toBe(before);
  });
});

describe('a store that does not answer', () => {
  const silent = new Promise<never>(() => {});
  const slow: readonly [string, Partial<ArchiveStore>][] = [
    ['a question for a file', { get: () => silent }],
    ['the content of a file', { get: async () => new ReadableStream({ pull: () => silent }) }],
    ['a new file', { put: () => silent }],
  ];
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
  afterEach(() => void vi.useRealTimers());

  it.each(slow)('is away after fifteen seconds, for %s', async (_what, never) => {
    const moving = archiveAll({ ...ports, archive: { ...archive, ...never } });
    const failed = expect(moving).rejects.toThrow('the archive did not answer within 15 s');
    await vi.waitFor(() => expect(vi.getTimerCount()).toBe(1));
    await vi.advanceTimersByTimeAsync(REQUEST_MS);
    await failed;
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('an event whose form this version does not read', () => {
  it('is exported as it was sealed, and proven', async () => {
    const { record } = ports;
    const at = START + 11 * MINUTE_MS;
    const odd = { a: null, b: { c: 1 } };
    // Code of an agent may deliver anything, and an older or newer version may know other types.
    const details: AuditEvent['details'] = JSON.parse(JSON.stringify(odd));
    await record.deliver(
      [{ event: { eventId: crypto.randomUUID(), at, type: 'ticket.denied', outcome: 'denied', details } }],
      at,
    );
    await sealAudit(ports, at);
    for (const minute of [12, 13, 14, 15]) {
      await writeEvents(ports, 3, START + minute * MINUTE_MS);
      await sealAudit(ports, START + minute * MINUTE_MS);
    }
    const before = await exportText(ports);
    expect(await archiveAll(ports)).toBeGreaterThan(2);
    const after = await exportText(ports);
    expect(after).toBe(before);
    expect(after).toContain(JSON.stringify(odd));
    expect(await verifyExport(linesOf(after), await auditKeys(ports))).toMatchObject({
      content: [],
      order: [],
      gaps: [],
    });
  });
});

const joined = (a: Uint8Array<ArrayBuffer>, b: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> =>
  new Uint8Array([...a, ...b]);
