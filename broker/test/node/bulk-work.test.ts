import { beforeEach, describe, expect, it } from 'vitest';
import { archiveAudit } from '../../src/audit/archive.ts';
import { exportAudit } from '../../src/audit/export.ts';
import { purgeAudit } from '../../src/audit/retention.ts';
import { sealAudit } from '../../src/audit/sealer.ts';
import { purgeSessions, runScheduled } from '../../src/runtime/scheduled.ts';
import { memoryArchive } from './archive.ts';
import { rowsOf } from './folder.ts';
import { NOW, type StartedBroker, startNodeBroker } from './start-broker.ts';

const HOUR_S = 3600;
const MINUTE_MS = 60_000;
const PAGE = 250;

let broker: StartedBroker;
beforeEach(async () => {
  broker = await startNodeBroker();
  // Its first audit key, whose making is an event, comes before the log.
  await broker.ports.auditKeyring.signer(NOW * 1000);
});

const addEvents = (count: number, at = NOW * 1000) =>
  rowsOf(
    `${broker.folder}/record.db`,
    `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
     INSERT INTO audit_events (event_id, at, type, outcome) SELECT lower(hex(randomblob(16))), ?, 'ticket.issued', 'success' FROM n`,
    [count, at],
  );
const checkpoints = async () =>
  (await broker.ports.record.checkpoints.list(undefined, 100)).map(({ n, count, at }) => ({ n, count, at }));
const counts = async () => (await checkpoints()).map(({ count }) => count).reverse();

/** How often everything else had its turn while `work` ran. */
async function turnsDuring(work: () => Promise<unknown>): Promise<number> {
  let [turns, isOver] = [0, false];
  const take = (): void => {
    turns += 1;
    if (!isOver) setImmediate(take);
  };
  setImmediate(take);
  await work();
  isOver = true;
  return turns;
}

describe('sealing', () => {
  it('catches up in one run, however much was left, with full checkpoints and one for the rest', async () => {
    await addEvents(25_001);
    await runScheduled(broker.ports);
    const [first, second, rest, ...more] = await counts();
    expect([first, second, more]).toEqual([10_000, 10_000, []]);
    expect(rest).toBeGreaterThanOrEqual(5_001);
  });

  it('stops when its time is over, and goes on from there the next minute', async () => {
    await addEvents(25_000);
    const clock = () => {
      broker.clock.now += 10;
      return broker.clock.now * 1000;
    };
    await runScheduled({ ...broker.ports, clock });
    const made = await counts();
    expect(made.length).toBeGreaterThan(0);
    expect(made.length).toBeLessThan(3);
    broker.clock.now += 60;
    await runScheduled(broker.ports);
    expect((await counts()).slice(0, 2)).toEqual([10_000, 10_000]);
    expect((await counts()).reduce((a, b) => a + b)).toBeGreaterThanOrEqual(25_000);
  });

  it('is not stopped by a clock that steps back by an hour: times never fall, numbers go on', async () => {
    const seal = (seconds: number) => sealAudit(broker.ports, (NOW + seconds) * 1000);
    await addEvents(3);
    await seal(HOUR_S);
    for (const seconds of [0, 60, 120]) {
      await addEvents(3);
      expect(await seal(seconds)).toMatchObject({ at: (NOW + HOUR_S) * 1000 });
    }
    expect(await seal(HOUR_S + 29)).toBeUndefined();
    expect(await seal(HOUR_S + 30)).toMatchObject({ n: 5, count: 0, at: (NOW + HOUR_S + 30) * 1000 });
  });

  it('of two clocks that differ by a second writes one checkpoint a minute', async () => {
    await sealAudit(broker.ports, NOW * 1000);
    expect(await sealAudit(broker.ports, NOW * 1000 - 1_000)).toBeUndefined();
  });

  it('after a full checkpoint without anything behind it waits as usual', async () => {
    await addEvents(10_000 - (await broker.ports.record.auditLog.arrivals(0, 100)).length);
    expect(await sealAudit(broker.ports, NOW * 1000)).toMatchObject({ count: 10_000 });
    expect(await sealAudit(broker.ports, NOW * 1000 + 1)).toBeUndefined();
    expect(await sealAudit(broker.ports, NOW * 1000 + MINUTE_MS)).toMatchObject({ n: 2, count: 0 });
  });
});

describe('between two pages everything else has its turn', () => {
  const PAGES = 8;
  beforeEach(() => addEvents(PAGES * PAGE));

  it('while the log is sealed', async () => {
    const turns = await turnsDuring(() => sealAudit(broker.ports, NOW * 1000));
    expect(turns).toBeGreaterThanOrEqual(PAGES);
  });

  it('while the log is exported to a reader that takes everything at once', async () => {
    const turns = await turnsDuring(() => new Response(exportAudit(broker.ports, 0)).text());
    expect(turns).toBeGreaterThanOrEqual(PAGES);
  });

  it('while events move to an archive, and while they are read there', async () => {
    await sealAudit(broker.ports, NOW * 1000);
    const { ports } = broker;
    const config = { ...ports.config, auditHotMs: 0 };
    const moving = { ...ports, archive: memoryArchive(), config };
    const most = { events: PAGE, checkpoints: 10 };
    const { arrivals, purge, ...others } = ports.record.auditLog;
    let turn = 0;
    /** The turn of each statement. */
    const turns: number[] = [];
    const auditLog = {
      ...others,
      arrivals: (...of: Parameters<typeof arrivals>) => {
        turns.push(turn);
        return arrivals(...of);
      },
      purge: (...of: Parameters<typeof purge>) => {
        turns.push(turn);
        return purge(...of);
      },
    };
    const counting = setInterval(() => {
      turn += 1;
    });
    expect(await archiveAudit({ ...moving, record: { ...ports.record, auditLog } }, NOW * 1000, most)).toBe(
      true,
    );
    clearInterval(counting);
    expect(turns.length).toBeGreaterThanOrEqual(PAGES + PAGES / 2);
    expect(new Set(turns).size).toBe(turns.length);
    expect(await turnsDuring(() => new Response(exportAudit(moving, 0)).text())).toBeGreaterThanOrEqual(
      PAGES,
    );
  });

  it('while old events and old sessions are deleted', async () => {
    await sealAudit(broker.ports, NOW * 1000);
    // The newest event is never deleted, nor a checkpoint's run in part.
    await addEvents(1);
    const config = { ...broker.ports.config, auditRetentionMs: 0 };
    // One statement deletes two pages.
    const turns = await turnsDuring(() => purgeAudit({ ...broker.ports, config }, NOW * 1000 + MINUTE_MS));
    expect(turns).toBeGreaterThanOrEqual(PAGES / 2);
    const purge = async (_before: number, limit: number) => limit;
    const { sessions, invocations } = broker.ports.record;
    const record = { sessions: { ...sessions, purge }, invocations: { ...invocations, purge } };
    expect(
      await turnsDuring(() => purgeSessions({ record, config: broker.ports.config }, NOW * 1000)),
    ).toBeGreaterThanOrEqual(40);
  });
});

it('retention has no limit below the rate of arrival: one run deletes all that is due', async () => {
  await addEvents(25_000);
  await runScheduled(broker.ports);
  broker.clock.now += broker.ports.config.auditRetentionMs / 1000 + 60;
  await runScheduled(broker.ports);
  const [row] = await rowsOf(`${broker.folder}/record.db`, 'SELECT count(*) AS n FROM audit_events');
  expect(row?.n).toBeLessThan(10);
});
