import { beforeEach, describe, expect, it } from 'vitest';
import { archiveAudit } from '../../src/audit/archive.ts';
import type { ArchiveStore } from '../../src/audit/archive-store.ts';
import type { BrokerPorts } from '../../src/runtime/ports.ts';
import {
  archiveAll,
  archivedBroker,
  exportText,
  gunzipped,
  LATER,
  type MemoryArchive,
  memoryArchive,
  recordRows,
  SMALL,
  type Stop,
  withSegments,
} from './archive.ts';

let archive: MemoryArchive;
let folder: string;
let ports: BrokerPorts;
let before: string;
beforeEach(async () => {
  archive = memoryArchive();
  const started = await archivedBroker(archive);
  ({ ports } = started);
  folder = started.broker.folder;
  before = await exportText(ports);
});

const hotRows = () => recordRows(folder).hot();
const segmentRows = () => recordRows(folder).segments();

const STOPS: readonly Stop[] = [
  ['before the file is written', (p, die) => ({ ...p, archive: { ...archive, put: async () => die() } })],
  [
    'after the file is written',
    (p, die) => ({
      ...p,
      archive: {
        ...archive,
        put: async (name, content) => {
          await archive.put(name, content);
          die();
        },
      },
    }),
  ],
  ['when the file is read back', (p, die) => ({ ...p, archive: { ...archive, get: async () => die() } })],
  ['before the segment is noted', (p, die) => withSegments(p, { insert: async () => die() })],
  [
    'after the segment is noted',
    (p, die) =>
      withSegments(p, {
        insert: async (row) => {
          await p.record.segments.insert(row);
          die();
        },
      }),
  ],
  [
    'when some rows are deleted',
    (p, die) => {
      const auditLog: BrokerPorts['record']['auditLog'] = {
        ...p.record.auditLog,
        purge: async (through) => {
          const gone = await p.record.auditLog.purge(through, 2);
          return gone === 0 ? 0 : die();
        },
      };
      return { ...p, record: { ...p.record, auditLog } };
    },
  ],
];

describe('a broker that stops', () => {
  it.each(STOPS)('%s loses and doubles no event, and the next run completes it', async (_step, stopping) => {
    const die = () => {
      throw new Error('killed');
    };
    for (let round = 0; round < 2; round += 1) {
      await expect(archiveAudit(stopping(ports, die), LATER, SMALL)).rejects.toThrow(
        /killed|the archive failed/,
      );
      expect(await exportText(ports)).toBe(before);
    }
    await archiveAll(ports);
    expect(await exportText(ports)).toBe(before);
    expect(archive.files.size).toBe((await segmentRows()).length);
    expect(archive.files.size).toBe(2);
    const [last] = (await segmentRows()).slice(-1);
    expect(Number((await hotRows())[0]?.seq)).toBe(Number(last?.through) + 1);
  });

  it('and comes back with another compression takes the file that is there', async () => {
    const other: ArchiveStore = {
      ...archive,
      put: async (name, content) => {
        if (archive.files.has(name)) return;
        const text = new Blob([await gunzipped(content)]).stream();
        const packed = await new Response(text.pipeThrough(new CompressionStream('gzip'))).arrayBuffer();
        // A member of the header (RFC 1952 §2.3.1) that says on which system it was made.
        archive.files.set(name, new Uint8Array(packed).with(9, 7));
        throw new Error('killed');
      },
    };
    await expect(archiveAudit({ ...ports, archive: other }, LATER, SMALL)).rejects.toThrow(
      'the archive failed',
    );
    expect(await archiveAudit(ports, LATER, SMALL)).toBe(true);
    expect(archive.files.size).toBe(1);
    expect(await exportText(ports)).toBe(before);
  });
});

describe('a segment that another instance moves at the same time', () => {
  it('is moved, and refused by none', async () => {
    const logged: unknown[] = [];
    const all = await hotRows();
    const { auditLog } = ports.record;
    let isFirst = true;
    // The other one is as fast as can be: between the reading of the checkpoints and that of the events.
    const arrivals: typeof auditLog.arrivals = async (after, limit) => {
      if (isFirst) {
        isFirst = false;
        await archiveAudit(ports, LATER, SMALL);
      }
      return auditLog.arrivals(after, limit);
    };
    const slow = {
      ...ports,
      record: { ...ports.record, auditLog: { ...auditLog, arrivals } },
      log: (line: unknown) => logged.push(line),
    };
    expect(await archiveAudit(slow, LATER, SMALL)).toBe(true);
    expect(logged).toEqual([]);
    expect((await hotRows()).length).toBe(all.length - 5);
    expect(await exportText(ports)).toBe(before);
  });
});

describe('a store that says it has a file', () => {
  it.each<
    readonly [string, (content: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer> | undefined, string]
  >([
    ['and has none', () => undefined, 'missing'],
    ['and has a part of it', (content) => content.slice(0, -9), 'altered'],
    ['and has other bytes', (content) => content.map((byte) => byte ^ 1), 'altered'],
  ])('%s gets no event deleted, and the next run tries again', async (_how, kept, fault) => {
    const logged: unknown[] = [];
    const lying: ArchiveStore = {
      ...archive,
      put: async (name, content) => {
        const left = kept(content);
        if (left !== undefined) archive.files.set(name, left);
      },
    };
    const all = await hotRows();
    expect(await archiveAll({ ...ports, archive: lying, log: (line) => logged.push(line) })).toBe(0);
    expect(logged).toEqual([
      { event: 'archive_refused', reason: `the archive's file is ${fault}`, from: 1, through: 5 },
    ]);
    expect([await hotRows(), await segmentRows()]).toEqual([all, []]);
    archive.files.clear();
    expect(await archiveAll(ports)).toBe(2);
    expect(await exportText(ports)).toBe(before);
  });
});
