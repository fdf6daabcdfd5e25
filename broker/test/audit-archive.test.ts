import { env } from 'cloudflare:workers';
import { describe, expect, it } from 'vitest';
import { archiveAudit } from '../src/audit/archive.ts';
import { bucketArchive } from '../src/audit/archive-store.ts';
import { verifyExport } from '../src/audit/proof/verify.ts';
import { purgeSegment } from '../src/audit/retention.ts';
import { sealAudit } from '../src/audit/sealer.ts';
import { auditKeys, beginEmpty, exportText, MINUTE, SOUND, START, writeEvents } from './audit-log.ts';
import { startBroker } from './broker.ts';

beginEmpty();

const DAY = 86_400_000;
const LATER = START + 8 * DAY;
const SMALL = { events: 5, checkpoints: 4 };

const bucket = () => {
  if (env.AUDIT_ARCHIVE === undefined) throw new TypeError('the tests have no bucket');
  return env.AUDIT_ARCHIVE;
};

async function sealedMinutes() {
  const broker = startBroker({
    settings: { AUDIT_HOT_DAYS: '7' },
    runtime: { archive: bucketArchive(bucket()) },
  });
  for (const [minute, count] of [4, 3, 0, 2, 5, 1].entries()) {
    await writeEvents(count);
    await sealAudit(broker.ports, START + minute * MINUTE);
  }
  await writeEvents(1);
  return broker;
}

const keys = async () => (await bucket().list({ prefix: 'segments/' })).objects.map(({ key }) => key);

describe('an archive in R2', () => {
  it('has the older events of D1, and the export and its proof are as before', async () => {
    const { ports, front } = await sealedMinutes();
    const before = await exportText(ports);
    for (let moved = true; moved; moved = await archiveAudit(ports, LATER, SMALL));
    expect((await keys()).length).toBeGreaterThan(1);
    expect((await ports.record.auditLog.bounds())?.first).toBeGreaterThan(5);
    expect(await exportText(ports)).toBe(before);
    const result = await verifyExport(before.trimEnd().split('\n'), await auditKeys({ front }));
    expect(result).toMatchObject({ ...SOUND, from: 1 });
  });

  it('loses whole segments when their retention is over', async () => {
    const { ports, front } = await sealedMinutes();
    for (let moved = true; moved; moved = await archiveAudit(ports, LATER, SMALL));
    const held = (await keys()).length;
    const later = START + 500 * DAY;
    expect(await purgeSegment(ports, later)).toBe(true);
    expect(await keys()).toHaveLength(held - 1);
    await sealAudit(ports, later);
    const result = await verifyExport(
      (await exportText(ports)).trimEnd().split('\n'),
      await auditKeys({ front }),
    );
    expect(result).toMatchObject(SOUND);
    expect(result.from).toBeGreaterThan(1);
  });

  it('must be there where events shall move to it', () => {
    expect(() => startBroker({ settings: { AUDIT_HOT_DAYS: '7' } })).toThrow('AUDIT_HOT_DAYS');
  });
});
