import { env } from 'cloudflare:workers';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { describe, expect, it } from 'vitest';
import { verifyExport } from '../src/audit/proof/verify.ts';
import { purgeAudit } from '../src/audit/retention.ts';
import { sealAudit } from '../src/audit/sealer.ts';
import {
  auditKeys,
  beginEmpty,
  exportText,
  MINUTE,
  SOUND,
  START,
  sealedLog,
  writeEvents,
} from './audit-log.ts';
import { type Broker, startBroker } from './broker.ts';
import { delivered, eventsWith } from './record.ts';

beginEmpty();

const retaining = ({ ports }: Pick<Broker, 'ports'>) => ({
  ...ports,
  config: { ...ports.config, auditRetentionMs: 60 * MINUTE },
});

describe('retention', () => {
  it('takes whole runs and never the newest event; what is left is sound, and says where it begins', async () => {
    const { broker } = await sealedLog();
    const ports = retaining(broker);
    expect(await purgeAudit(ports, START + 60 * MINUTE)).toBe(5);
    await eventually(async () => expect(await eventsWith('type', 'audit.purged')).toHaveLength(1));
    await sealAudit(ports, START + 61 * MINUTE);
    const result = await verifyExport(
      (await exportText(ports)).trim().split('\n'),
      await auditKeys({ front: broker.front }),
    );
    expect(result).toMatchObject({ ...SOUND, from: 6 });
    await purgeAudit(ports, START + 1e10);
    await purgeAudit(ports, START + 1e10);
    const { results } = await env.RECORD.prepare('SELECT max(seq) AS seq FROM audit_events').all<{
      seq: number;
    }>();
    expect(results[0]?.seq).toBeGreaterThanOrEqual(10);
  });

  const PURGED_AT = START + 60 * MINUTE;

  it('by ten instances at once is one purge, recorded once', async () => {
    const { broker } = await sealedLog();
    const brokers = [broker, ...Array.from({ length: 9 }, () => startBroker())];
    const gone = await Promise.all(brokers.map(({ ports }) => purgeAudit(retaining({ ports }), PURGED_AT)));
    expect(gone.reduce((sum, each) => sum + each)).toBe(5);
    await delivered();
    const [purged, ...more] = await eventsWith('type', 'audit.purged');
    expect(more).toEqual([]);
    expect(purged?.event_id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(JSON.parse(purged?.details ?? '')).toEqual({ from: 1, through: 5 });
  });

  it('that stopped half way leaves an export that is sound, and is completed by the next', async () => {
    const { broker } = await sealedLog();
    const auditLog = {
      ...broker.ports.record.auditLog,
      purge: async () => {
        await broker.ports.record.auditLog.purge(5, 2);
        throw new Error('Network connection lost');
      },
    };
    const ports = retaining(broker);
    await expect(
      purgeAudit({ ...ports, record: { ...ports.record, auditLog } }, PURGED_AT),
    ).rejects.toThrow();
    expect((await broker.ports.record.auditLog.bounds())?.first).toBe(3);
    const keys = await auditKeys({ front: broker.front });
    const lines = (await exportText(ports)).trim().split('\n');
    expect(await verifyExport(lines, keys)).toMatchObject({ ...SOUND, from: 6 });
    expect(await purgeAudit(ports, PURGED_AT)).toBe(3);
    expect((await broker.ports.record.auditLog.bounds())?.first).toBe(6);
  });

  it('goes through a large log in batches of a bounded size', async () => {
    const broker = startBroker();
    await writeEvents(1_201);
    await sealAudit(broker.ports, START);
    await writeEvents(1);
    const sizes: number[] = [];
    const auditLog = {
      ...broker.ports.record.auditLog,
      purge: async (through: number, limit: number) => {
        const gone = await broker.ports.record.auditLog.purge(through, limit);
        sizes.push(gone);
        return gone;
      },
    };
    const ports = { ...retaining(broker), record: { ...broker.ports.record, auditLog } };
    expect(await purgeAudit(ports, PURGED_AT)).toBe(1_201);
    expect(sizes).toEqual([500, 500, 201]);
  });
});
