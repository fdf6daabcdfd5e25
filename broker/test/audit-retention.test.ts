import { env } from 'cloudflare:workers';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { describe, expect, it } from 'vitest';
import { verifyExport } from '../cli/proof/verify.ts';
import { purgeAudit } from '../src/audit/retention.ts';
import { sealAudit } from '../src/audit/sealer.ts';
import {
  auditKeys,
  auditRoom,
  beginEmpty,
  exportText,
  MINUTE,
  SOUND,
  START,
  sealedLog,
} from './audit-room.ts';
import { startBroker } from './broker.ts';
import { delivered, eventsWith } from './record.ts';

beginEmpty();

const KEPT_AN_HOUR = { auditRetentionMs: 60 * MINUTE };

describe('retention', () => {
  it('takes whole runs and never the newest event; what is left is sound, and says where it begins', async () => {
    const { broker } = await sealedLog();
    const config = { ...broker.ports.config, ...KEPT_AN_HOUR };
    const ports = { ...broker.ports, config };
    expect(await purgeAudit(ports, START + 60 * MINUTE)).toBe(5);
    await eventually(async () => expect(await eventsWith('type', 'audit.purged')).toHaveLength(1));
    await sealAudit(ports, START + 61 * MINUTE);
    const result = await verifyExport(
      (await exportText(ports)).trim().split('\n'),
      await auditKeys({ front: broker.front }),
    );
    expect(result).toMatchObject({ ...SOUND, begins: 6 });
    await purgeAudit(ports, START + 1e10);
    await purgeAudit(ports, START + 1e10);
    const { results } = await env.RECORD.prepare('SELECT max(seq) AS seq FROM audit_events').all<{
      seq: number;
    }>();
    expect(results[0]?.seq).toBeGreaterThanOrEqual(10);
  });

  const PURGED_AT = START + 60 * MINUTE;

  it('by ten instances at once is one purge, with one event', async () => {
    const { broker } = await sealedLog();
    const brokers = [broker, ...Array.from({ length: 9 }, () => startBroker())];
    const gone = await Promise.all(
      brokers.map(({ ports }) => purgeAudit({ ...ports, config: KEPT_AN_HOUR }, PURGED_AT)),
    );
    expect(gone.reduce((sum, each) => sum + each)).toBe(5);
    await delivered();
    const [event, ...more] = await eventsWith('type', 'audit.purged');
    expect(more).toEqual([]);
    expect(event?.event_id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(JSON.parse(event?.details ?? '')).toEqual({ from: 1, through: 5 });
  });

  it('that stopped half way leaves an export that is sound, and is completed by the next', async () => {
    const { broker } = await sealedLog();
    const { record } = broker.ports;
    const auditLog = {
      ...record.auditLog,
      purge: async () => {
        await record.auditLog.purge(5, 2);
        throw new Error('Network connection lost');
      },
    };
    const ports = { ...broker.ports, config: KEPT_AN_HOUR };
    await expect(purgeAudit({ ...ports, record: { ...record, auditLog } }, PURGED_AT)).rejects.toThrow();
    expect((await record.auditLog.bounds())?.first).toBe(3);
    const keys = await auditKeys({ front: broker.front });
    const lines = (await exportText(ports)).trim().split('\n');
    expect(await verifyExport(lines, keys)).toMatchObject({ ...SOUND, begins: 6 });
    expect(await purgeAudit(ports, PURGED_AT)).toBe(3);
    expect((await record.auditLog.bounds())?.first).toBe(6);
  });

  it('goes through a large log in batches of a bounded size', async () => {
    const broker = startBroker();
    await auditRoom.write(1_201);
    await sealAudit(broker.ports, START);
    await auditRoom.write(1);
    const sizes: number[] = [];
    const { record } = broker.ports;
    const auditLog = {
      ...record.auditLog,
      purge: async (through: number, limit: number) => {
        const gone = await record.auditLog.purge(through, limit);
        sizes.push(gone);
        return gone;
      },
    };
    const ports = { record: { ...record, auditLog }, config: KEPT_AN_HOUR };
    expect(await purgeAudit(ports, PURGED_AT)).toBe(1_201);
    expect(sizes).toEqual([500, 500, 201]);
  });
});
