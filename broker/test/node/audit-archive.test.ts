import { beforeEach, describe, expect, it } from 'vitest';
import { archiveAudit } from '../../src/audit/archive.ts';
import type { ArchiveStore } from '../../src/audit/archive-store.ts';
import { verifyExport } from '../../src/audit/proof/verify.ts';
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
  memoryArchive,
  SMALL,
  START,
  writeEvents,
} from './archive.ts';
import { rowsOf } from './folder.ts';

const SOUND = { content: [], order: [], gaps: [] };

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

const hotRows = () => rowsOf(`${folder}/record.db`, 'SELECT seq FROM audit_events ORDER BY seq');
const segmentRows = () => rowsOf(`${folder}/record.db`, 'SELECT * FROM audit_segments ORDER BY n');

describe('moving events to the archive', () => {
  it('changes no byte of an export, from whatever event it begins', async () => {
    const parts = await Promise.all(Array.from({ length: 15 }, (_, after) => exportText(ports, after)));
    expect(await archiveAll(ports)).toBe(2);
    expect(await exportText(ports)).toBe(before);
    for (const [after, part] of parts.entries()) expect(await exportText(ports, after)).toBe(part);
    expect(await verifyExport(linesOf(before), await auditKeys(ports))).toMatchObject({
      ...SOUND,
      begins: 1,
    });
  });

  it('leaves the younger events in the database, and deletes the others there', async () => {
    const all = (await hotRows()).map(({ seq }) => Number(seq));
    await archiveAll(ports);
    const [last] = (await segmentRows()).slice(-1);
    expect((await hotRows()).map(({ seq }) => Number(seq))).toEqual(
      all.filter((seq) => seq > Number(last?.through)),
    );
  });

  it('moves nothing before its time, and nothing that could still belong to a longer segment', async () => {
    expect(await archiveAll(ports, START + 7 * DAY_MS)).toBe(0);
    expect(archive.files.size).toBe(0);
    await archiveAll(ports);
    const [last] = (await segmentRows()).slice(-1);
    expect(Number(last?.n)).toBeLessThan((await ports.record.checkpoints.newest())?.n ?? 0);
  });

  it('makes files that are sound each by itself, and in their order as one', async () => {
    await archiveAll(ports);
    const keys = await auditKeys(ports);
    const texts = await Promise.all([...archive.files.values()].map(gunzipped));
    for (const text of texts) expect(await verifyExport(linesOf(text), keys)).toMatchObject(SOUND);
    const whole = await verifyExport(linesOf(texts.join('')), keys);
    expect(whole).toMatchObject({ ...SOUND, begins: 1, tail: { unproven: 0 } });
    expect([...archive.files.keys()].toSorted()).toEqual([...archive.files.keys()]);
  });

  it('by five instances at once is the same as by one', async () => {
    await Promise.all(Array.from({ length: 5 }, () => archiveAll(ports)));
    expect(await segmentRows()).toHaveLength(2);
    expect(archive.files.size).toBe(2);
    expect(await exportText(ports)).toBe(before);
  });

  it('never takes the number of the newest event, though all are old', async () => {
    await sealAudit(ports, START + 20 * 60_000);
    for (let minute = 21; minute < 30; minute += 1) await sealAudit(ports, START + minute * 60_000);
    const newest = (await ports.record.auditLog.bounds())?.last;
    await archiveAll(ports);
    expect((await ports.record.auditLog.bounds())?.last).toBe(newest);
    await writeEvents(ports, 1, LATER);
    expect((await ports.record.auditLog.bounds())?.last).toBe((newest ?? 0) + 1);
  });

  it('writes a segment of one run that alone has more events than a segment', async () => {
    await writeEvents(ports, 9, START + 3_600_000);
    for (const minute of [61, 62]) await sealAudit(ports, START + minute * 60_000);
    await writeEvents(ports, 9, START + 3_800_000);
    for (const minute of [64, 65]) await sealAudit(ports, START + minute * 60_000);
    before = await exportText(ports);
    await archiveAll(ports);
    const sizes = (await segmentRows()).map((row) => Number(row.through) - Number(row.from_seq) + 1);
    expect(Math.max(...sizes)).toBeGreaterThanOrEqual(9);
    expect(await exportText(ports)).toBe(before);
  });

  it('moves no run that is not what its checkpoint signed, and says which', async () => {
    const logged: unknown[] = [];
    await rowsOf(`${folder}/record.db`, "UPDATE audit_events SET code = 'other' WHERE seq = 2");
    expect(await archiveAll({ ...ports, log: (line) => logged.push(line) })).toBe(0);
    expect(logged).toEqual([
      {
        event: 'archive_refused',
        reason: 'not what the checkpoints signed',
        from: 1,
        through: expect.any(Number),
      },
    ]);
    expect(archive.files.size).toBe(0);
    expect((await hotRows())[0]?.seq).toBe(1);
  });

  it('moves nothing while the log differs from the noted seal', async () => {
    await rowsOf(`${folder}/record.db`, 'DELETE FROM audit_checkpoints WHERE n > 8');
    expect(await archiveAll(ports)).toBe(0);
    expect(archive.files.size).toBe(0);
  });

  it('moves nothing without an age', async () => {
    expect(await archiveAll({ ...ports, config: { ...ports.config, auditHotMs: undefined } })).toBe(0);
  });
});

/** Fails before or after a call of a method, or when it has done a part of its work. */
type Stop = readonly [step: string, (ports: BrokerPorts, die: () => never) => BrokerPorts];

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

const withSegments = (p: BrokerPorts, segments: Partial<BrokerPorts['record']['segments']>): BrokerPorts => ({
  ...p,
  record: { ...p.record, segments: { ...p.record.segments, ...segments } },
});

describe('a broker that stops', () => {
  it.each(STOPS)('%s loses and doubles no event, and the next run completes it', async (_step, stopping) => {
    const die = () => {
      throw new Error('killed');
    };
    for (let round = 0; round < 2; round += 1) {
      await expect(archiveAudit(stopping(ports, die), LATER, SMALL)).rejects.toThrow('killed');
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
    await expect(archiveAudit({ ...ports, archive: other }, LATER, SMALL)).rejects.toThrow('killed');
    expect(await archiveAudit(ports, LATER, SMALL)).toBe(true);
    expect(archive.files.size).toBe(1);
    expect(await exportText(ports)).toBe(before);
  });
});

describe('a segment that somebody took away or changed', () => {
  const nameOf = (index: number): string => [...archive.files.keys()].toSorted()[index] ?? '';
  const content = (index: number) => archive.files.get(nameOf(index)) ?? new Uint8Array();

  beforeEach(() => archiveAll(ports));

  it.each<readonly [string, 'missing' | 'altered', () => void | Promise<void>]>([
    ['is missing', 'missing', () => void archive.files.delete(nameOf(0))],
    ['is empty', 'altered', () => void archive.files.set(nameOf(0), new Uint8Array())],
    ['is no gzip', 'altered', () => void archive.files.set(nameOf(0), new Uint8Array(100).fill(7))],
    ['was cut', 'altered', () => void archive.files.set(nameOf(0), content(0).subarray(0, -20))],
    ['has more behind it', 'altered', () => void archive.files.set(nameOf(0), joined(content(0), content(0)))],
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
      expect.stringMatching(/^segment 000000000001-000000000003-\w+\.ndjson\.gz of the archive, events 1 to 5,/),
    ]);
    expect(result).toMatchObject({ content: [], order: [], tail: { faults: [], provenThrough: 13 } });
  });

  it('is one that an export cannot read without an archive', async () => {
    const text = await exportText({ ...ports, archive: undefined });
    expect(linesOf(text).filter((line) => line.includes('no_archive'))).toHaveLength(2);
  });

  it('ends an export with an error while the archive does not answer, so that no gap is taken for a loss', async () => {
    const away: ArchiveStore = { ...archive, get: () => Promise.reject(new Error('fetch failed')) };
    await expect(exportText({ ...ports, archive: away })).rejects.toThrow('fetch failed');
  });
});

const joined = (a: Uint8Array<ArrayBuffer>, b: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> =>
  new Uint8Array([...a, ...b]);
