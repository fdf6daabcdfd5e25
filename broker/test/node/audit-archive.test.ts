import { openRecord } from '@agent-ticket/drizzle/open-libsql.ts';
import { beforeEach, describe, expect, it } from 'vitest';
import type { ArchiveStore } from '../../src/audit/archive-store.ts';
import { verifyExport } from '../../src/audit/proof/verify.ts';
import { sealAudit } from '../../src/audit/sealer.ts';
import type { BrokerPorts } from '../../src/runtime/ports.ts';
import { runArchive, runScheduled } from '../../src/runtime/scheduled.ts';
import {
  archiveAll,
  archivedBroker,
  auditKeys,
  DAY_MS,
  exportText,
  gunzipped,
  LATER,
  linesOf,
  type MemoryArchive,
  memoryArchive,
  recordRows,
  SOUND,
  START,
  writeEvents,
} from './archive.ts';
import { atEnd, rowsOf } from './folder.ts';

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

describe('moving events to the archive', () => {
  it('changes no byte of an export, from whatever event it begins', async () => {
    const parts = await Promise.all(Array.from({ length: 15 }, (_, after) => exportText(ports, after)));
    expect(await archiveAll(ports)).toBe(2);
    expect(await exportText(ports)).toBe(before);
    for (const [after, part] of parts.entries()) expect(await exportText(ports, after)).toBe(part);
    expect(await verifyExport(linesOf(before), await auditKeys(ports))).toMatchObject({
      ...SOUND,
      from: 1,
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
    expect(whole).toMatchObject({ ...SOUND, from: 1, tail: { unproven: 0 } });
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

describe('a record database that was restored', () => {
  it('from before events moved has them moved again to the same files', async () => {
    const copy = `${folder}/backup.db`;
    await rowsOf(`${folder}/record.db`, `VACUUM INTO '${copy}'`);
    await archiveAll(ports);
    const files = [...archive.files];
    const restored = await openRecord(`file:${copy}`);
    atEnd(() => restored.close());
    const after: BrokerPorts = { ...ports, record: restored.store };
    expect(await archiveAll(after)).toBe(2);
    expect([...archive.files]).toEqual(files);
    expect(await exportText(after)).toBe(before);
  });

  it('and goes on with other events writes files of other names, and leaves the former', async () => {
    await archiveAll(ports);
    const former = [...archive.files.keys()];
    // The same numbers, as they are given after a backup from before the first event.
    const other = await archivedBroker(archive);
    await archiveAll(other.ports);
    expect([...archive.files.keys()].slice(0, former.length)).toEqual(former);
    expect(archive.files.size).toBe(2 * former.length);
    const texts = await Promise.all([exportText(ports), exportText(other.ports)]);
    for (const text of texts) expect(text).not.toContain('"segment"');
  });
});

describe('the work of each minute', () => {
  it('moves five segments at most, and the next minute the next ones', async () => {
    let n = 0;
    const noted: ArchiveStore = {
      ...archive,
      put: async (name, content) => {
        n += 1;
        await archive.put(name, content);
      },
    };
    // Full segments, each of one run.
    for (let run = 0; run < 8; run += 1) {
      await rowsOf(
        `${folder}/record.db`,
        `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
         INSERT INTO audit_events (event_id, at, type, outcome) SELECT lower(hex(randomblob(16))), ?, 'ticket.issued', 'success' FROM n`,
        [START],
      );
      await sealAudit(ports, START + (20 + run) * 60_000);
    }
    const later = { ...ports, archive: noted, clock: () => LATER };
    // An archive that is slow must delay nothing else.
    await runScheduled(later);
    expect(n).toBe(0);
    await runArchive(later);
    expect(n).toBe(5);
    await runArchive(later);
    expect(n).toBeGreaterThan(5);
    expect(
      linesOf(await exportText(ports)).filter((line) => line.startsWith('{"event"')).length,
    ).toBeGreaterThan(80_000);
  }, 120_000);
});
