import { env } from 'cloudflare:workers';
import type { CheckpointRow } from '@agent-ticket/drizzle/record/audit-checkpoints.ts';
import { beforeEach, describe, expect, it } from 'vitest';
import { type Anchor, allAnchors, anchorKey, bucketAnchor } from '../src/audit/anchor.ts';
import { type CheckpointClaims, signCheckpoint } from '../src/audit/checkpoint.ts';
import { verifyExport } from '../src/audit/proof/verify.ts';
import { compareSeal } from '../src/audit/seal.ts';
import { sealAudit } from '../src/audit/sealer.ts';
import { runScheduled } from '../src/runtime/scheduled.ts';
import { auditKeys, beginEmpty, exportText, isCheckpoint, MINUTE, START, writeEvents } from './audit-log.ts';
import { startBroker } from './broker.ts';
import { setClock } from './clock.ts';

beginEmpty();

describe('the sealer', () => {
  it('writes one checkpoint a minute, also when nothing is new, however many run', async () => {
    const brokers = Array.from({ length: 5 }, () => startBroker());
    for (let minute = 0; minute < 3; minute += 1)
      await Promise.all(brokers.map(({ ports }) => sealAudit(ports, START + minute * MINUTE)));
    const [newest] = brokers;
    expect(await newest?.ports.record.checkpoints.list(undefined, 10)).toMatchObject(
      [3, 2, 1].map((n) => ({ n, through: 0, count: 0 })),
    );
  });

  it('runs with everything else each minute, and one step that fails keeps none of the others', async () => {
    const { ports, logged } = startBroker();
    const outbox = {
      ...ports.control.outbox,
      due: () => Promise.reject(new Error('Network connection lost')),
    };
    await runScheduled({ ...ports, control: { ...ports.control, outbox } });
    expect(logged.join()).toContain('scheduled_failed');
    expect((await ports.record.checkpoints.newest())?.n).toBe(1);
  });

  it('shows each checkpoint to the anchor', async () => {
    const shown: string[] = [];
    const { ports } = startBroker();
    await runScheduled({ ...ports, anchor: async ({ jws }) => void shown.push(jws) });
    expect(shown).toEqual([(await ports.record.checkpoints.newest())?.jws]);
  });
});

it('a sealer that another one overtook notes no seal: the other checkpoint covers more', async () => {
  const { ports } = startBroker();
  await writeEvents(1);
  const { checkpoints } = ports.record;
  const auditSeal = { ...ports.control.auditSeal, note: () => Promise.reject(new Error('killed')) };
  const other = { ...ports, control: { ...ports.control, auditSeal } };
  const insert: typeof checkpoints.insert = async (row) => {
    await writeEvents(1);
    await expect(sealAudit(other, START)).rejects.toThrow('killed');
    return checkpoints.insert(row);
  };
  const overtaken = { ...ports, record: { ...ports.record, checkpoints: { ...checkpoints, insert } } };
  expect(await sealAudit(overtaken, START)).toBeUndefined();
  expect(await compareSeal(ports, START)).toMatchObject({
    noted: undefined,
    newest: { n: 1, count: 2 },
    fault: undefined,
  });
});

describe('a checkpoint after the noted seal', () => {
  const STRANGE = 'B'.repeat(43);
  it.each<
    [string, claims: Partial<CheckpointClaims>, row: Partial<CheckpointRow>, fault: string | undefined]
  >([
    ['that this broker signed follows', {}, {}, undefined],
    ['of another issuer does not', { iss: 'https://other.test' }, {}, 'does_not_follow'],
    ['of another head does not', { previous: STRANGE }, {}, 'does_not_follow'],
    // A checkpoint of a quiet minute leaves the head as it was, so that only the number shows that one is missing.
    ['behind one that is gone does not', { n: 3 }, {}, 'does_not_follow'],
    ['in a row of another number does not', {}, { n: 3 }, 'does_not_follow'],
    ['in a row of other events does not', {}, { through: 7 }, 'does_not_follow'],
    ['in a row of more events does not', {}, { count: 1 }, 'does_not_follow'],
    ['in a row of another hash does not', {}, { hash: STRANGE }, 'does_not_follow'],
  ])('%s', async (_what, otherClaims, otherRow, fault) => {
    const { ports } = startBroker();
    const noted = await sealAudit(ports, START);
    const signer = await ports.auditKeyring.signer(START);
    if (noted === undefined || !signer.ok) throw new Error('nothing was sealed');
    const { material } = signer.value;
    const facts = { n: 2, through: noted.through, count: 0, hash: noted.hash };
    const { iss, iat, previous, ...covered } = {
      ...{ iss: ports.config.issuer, iat: START / 1000, ...facts, previous: noted.hash },
      ...otherClaims,
    };
    const jws = await signCheckpoint({ iss, iat, ...covered, previous }, material);
    const row = { ...covered, at: START + MINUTE, kid: material.kid, jws, ...otherRow };
    await ports.record.checkpoints.insert(row);
    expect((await compareSeal(ports, START + MINUTE)).fault).toBe(fault);
  });
});

describe('a bucket as anchor', () => {
  const bucket = () => {
    if (env.AUDIT_ANCHOR === undefined) throw new TypeError('the tests have no bucket');
    return env.AUDIT_ANCHOR;
  };

  it('keeps each checkpoint by its number, and the newest proves where the log ends', async () => {
    const { ports, front } = startBroker({ runtime: { anchorBucket: bucket() } });
    await writeEvents(2);
    await runScheduled(ports);
    setClock(60);
    await runScheduled(ports);
    const { objects } = await bucket().list({ prefix: 'checkpoints/' });
    expect(objects.map(({ key }) => key)).toEqual([1, 2].map(anchorKey));
    const newest = await (await bucket().get(objects.at(-1)?.key ?? ''))?.text();
    expect(newest).toBe((await ports.record.checkpoints.newest())?.jws);
    const lines = (await exportText(ports)).trim().split('\n');
    const keys = await auditKeys({ front });
    expect((await verifyExport(lines, keys, newest)).tail).toMatchObject({ anchored: true, faults: [] });
    const cut = lines.slice(0, lines.findIndex(isCheckpoint(2)));
    expect((await verifyExport(cut.slice(0, 1), keys, newest)).tail.faults).toHaveLength(1);
  });

  it('never puts another checkpoint over one that is there', async () => {
    await bucketAnchor(bucket())({ n: 9, jws: 'first' });
    await bucketAnchor(bucket())({ n: 9, jws: 'forged' });
    expect(await (await bucket().get(anchorKey(9)))?.text()).toBe('first');
  });

  it('gets it also while another anchor fails, which keeps nothing else from running', async () => {
    const { ports, logged } = startBroker();
    const down: Anchor = () => Promise.reject(new Error('down'));
    await runScheduled({ ...ports, anchor: allAnchors([down, bucketAnchor(bucket())]) });
    expect(await bucket().get(anchorKey(1))).not.toBeNull();
    expect(logged.filter((line) => line.includes('scheduled_failed'))).toEqual([
      expect.stringContaining('"step":"anchor"'),
    ]);
  });

  beforeEach(async () => {
    const { objects } = await bucket().list();
    await bucket().delete(objects.map(({ key }) => key));
  });
});
