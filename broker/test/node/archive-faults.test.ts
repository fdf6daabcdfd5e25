import { beforeEach, describe, expect, it } from 'vitest';
import type { ArchiveStore } from '../../src/audit/archive-store.ts';
import { verifyExport } from '../../src/audit/proof/verify.ts';
import type { BrokerPorts } from '../../src/runtime/ports.ts';
import {
  archiveAll,
  archivedBroker,
  auditKeys,
  exportText,
  gunzipped,
  gzipped,
  linesOf,
  type MemoryArchive,
  memoryArchive,
} from './archive.ts';

let archive: MemoryArchive;
let ports: BrokerPorts;
beforeEach(async () => {
  archive = memoryArchive();
  const started = await archivedBroker(archive);
  ({ ports } = started);
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
