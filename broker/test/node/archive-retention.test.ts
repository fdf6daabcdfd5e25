import { beforeEach, describe, expect, it } from 'vitest';
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
  linesOf,
  type MemoryArchive,
  memoryArchive,
  recordRows,
  SOUND,
  START,
  type Stop,
  withSegments,
  writeEvents,
} from './archive.ts';
import { rowsOf } from './folder.ts';

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

const segmentRows = () => recordRows(folder).segments();

describe('retention', () => {
  const retaining = (days: number): BrokerPorts => ({
    ...ports,
    config: { ...ports.config, auditRetentionMs: days * DAY_MS },
  });
  /** The retention of 30 days is over for all segments. */
  const PURGED_AT = START + 31 * DAY_MS;
  const purgeAll = async (p: BrokerPorts): Promise<number> => {
    let purged = 0;
    while (await purgeSegment(p, PURGED_AT)) purged += 1;
    return purged;
  };
  const purges = () =>
    rowsOf(
      `${folder}/record.db`,
      "SELECT details FROM audit_events WHERE type = 'audit.purged' ORDER BY seq",
    );

  beforeEach(() => archiveAll(ports));

  it('deletes whole segments, oldest first, with an event of each; the rest is sound', async () => {
    expect(await purgeSegment(retaining(30), START + 30 * DAY_MS)).toBe(false);
    expect(await purgeSegment(retaining(30), PURGED_AT)).toBe(true);
    expect([...archive.files.keys()]).toEqual([expect.stringMatching(/^000000000004-/)]);
    expect((await purges()).map(({ details }) => JSON.parse(String(details)))).toEqual([
      { from: 1, through: 5 },
    ]);
    await sealAudit(ports, PURGED_AT);
    const result = await verifyExport(linesOf(await exportText(ports)), await auditKeys(ports));
    expect(result).toMatchObject({ ...SOUND, from: 6, purgedThrough: 5 });
    expect(await purgeAll(retaining(30))).toBe(1);
    expect([archive.files.size, (await segmentRows()).length]).toEqual([0, 0]);
    const rest = await verifyExport(linesOf(await exportText(ports)), await auditKeys(ports));
    expect(rest).toMatchObject({ ...SOUND, from: 11, purgedThrough: 5 });
  });

  it.each<Stop>([
    [
      'before the event is written',
      (p, die) => ({ ...p, record: { ...p.record, deliver: async () => die() } }),
    ],
    ['after the event is written', (p, die) => withSegments(p, { endReading: async () => die() })],
    [
      'when nothing reads the segment any more',
      (p, die) => ({ ...p, archive: { ...archive, delete: async () => die() } }),
    ],
    ['after the file is deleted', (p, die) => withSegments(p, { delete: async () => die() })],
  ])(
    'that stops %s leaves a sound export, is recorded once, and is completed by the next run',
    async (_step, stopping) => {
      const die = () => {
        throw new Error('killed');
      };
      for (let round = 0; round < 2; round += 1) {
        await expect(purgeSegment(stopping(retaining(30), die), PURGED_AT)).rejects.toThrow(
          /killed|the archive failed/,
        );
        await sealAudit(ports, PURGED_AT + round * 60_000);
        const result = await verifyExport(linesOf(await exportText(ports)), await auditKeys(ports));
        expect(result).toMatchObject(SOUND);
      }
      expect(await purgeAll(retaining(30))).toBe(2);
      expect([archive.files.size, (await segmentRows()).length, (await purges()).length]).toEqual([0, 0, 2]);
    },
  );

  it('by five instances at once is recorded once for each segment', async () => {
    await Promise.all(Array.from({ length: 5 }, () => purgeAll(retaining(30))));
    expect([archive.files.size, (await segmentRows()).length, (await purges()).length]).toEqual([0, 0, 2]);
  });

  it('fails while there is no archive, and deletes no row without its file', async () => {
    await expect(purgeSegment({ ...retaining(30), archive: undefined }, PURGED_AT)).rejects.toThrow(
      'no archive',
    );
    expect(await segmentRows()).toHaveLength(2);
  });

  it('begins the next segment where the last one ended, after all are gone', async () => {
    await purgeAll(retaining(30));
    for (let minute = 11; minute < 16; minute += 1) {
      await writeEvents(ports, 2, START + minute * 60_000);
      await sealAudit(ports, START + minute * 60_000);
    }
    before = await exportText(ports);
    expect(await archiveAll(ports)).toBeGreaterThan(0);
    expect(await exportText(ports)).toBe(before);
    expect(Number((await segmentRows())[0]?.from_seq)).toBe(11);
  });
});
