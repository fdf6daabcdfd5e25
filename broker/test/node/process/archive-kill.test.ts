import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { expect, it } from 'vitest';
import { verifyExport } from '../../../src/audit/proof/verify.ts';
import { sealAudit } from '../../../src/audit/sealer.ts';
import { openArchive } from '../../../src/runtime/node/open-archive.ts';
import { auditKeys, DAY_MS, exportText, linesOf, recordRows } from '../archive.ts';
import { rowsOf } from '../folder.ts';
import { startNodeBroker } from '../start-broker.ts';
import { settingsIn, startBroker } from './broker-process.ts';

const RUNS = 2;
const RUN_EVENTS = 10_000;

it('a process that is killed while events move to a folder loses and doubles none', {
  timeout: 120_000,
}, async () => {
  const { folder, ports } = await startNodeBroker();
  const old = Date.now() - 8 * DAY_MS;
  await ports.auditKeyring.signer(old);
  for (let run = 0; run < RUNS; run += 1) {
    await rowsOf(
      `${folder}/record.db`,
      `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
       INSERT INTO audit_events (event_id, at, type, outcome) SELECT lower(hex(randomblob(16))), ?, 'ticket.issued', 'success' FROM n`,
      [RUN_EVENTS, old],
    );
    await sealAudit(ports, old + run * 60_000);
  }
  const eventsOf = (text: string) =>
    linesOf(text)
      .filter((line) => line.startsWith('{"event"'))
      .slice(0, RUNS * RUN_EVENTS);
  const before = eventsOf(await exportText(ports));
  const archive = join(folder, 'archive');
  const files = async (): Promise<string[]> =>
    (await readdir(archive)).filter((name) => !name.startsWith('.'));

  const settings = settingsIn(folder, { AUDIT_HOT_DAYS: '7', AUDIT_ARCHIVE_URL: `file:${archive}` });
  let kills = 0;
  for (let segments = 0; segments < RUNS - 1; ) {
    const process = await startBroker(settings);
    // As soon as there is another file: before its note, or while its events are deleted.
    await eventually(async () => expect((await files()).length).toBeGreaterThan(segments));
    process.signal('SIGKILL');
    await process.ended;
    kills += 1;
    segments = (await files()).length;
    const after = { ...ports, archive: await openArchive({ folder: archive }) };
    expect(eventsOf(await exportText(after))).toEqual(before);
  }
  expect(kills).toBeGreaterThan(0);

  const last = await startBroker(settings);
  await eventually(async () =>
    expect(Number((await recordRows(folder).hot())[0]?.seq)).toBeGreaterThan((RUNS - 1) * RUN_EVENTS),
  );
  last.signal('SIGTERM');
  await last.ended;
  const text = await exportText({ ...ports, archive: await openArchive({ folder: archive }) });
  expect(eventsOf(text)).toEqual(before);
  const result = await verifyExport(linesOf(text), await auditKeys(ports));
  expect(result).toMatchObject({ content: [], order: [], gaps: [], from: 1 });
  const segments = await recordRows(folder).segments();
  expect((await files()).length).toBe(segments.length);
  for (const name of await files()) expect((await stat(join(archive, name))).mode & 0o777).toBe(0o600);
});
