import { describe, expect, it, onTestFinished } from 'vitest';
import { openControl } from '../../open-libsql.ts';
import { isOutage } from '../../outage.ts';
import { auditEvent, NOW, newGrant } from '../suite/rows.ts';
import { temporaryFolder } from './folder.ts';
import { hasSqld, startSqld } from './sqld.ts';

const isHere = hasSqld();

describe.skipIf(!isHere)('a libSQL server', () => {
  const folder = temporaryFolder();

  it('that is away or does not answer is an outage of reads, writes and batches, and serves afterwards what it had', async () => {
    const server = await startSqld(`${folder}/away`);
    onTestFinished(server.kill);
    const { store, ping, close } = await openControl(server.url);
    const work = [
      () => store.usedTokens.use('a', NOW),
      () => store.agentWorkers.list(),
      () => store.change({ statement: store.grants.insert(newGrant()), event: auditEvent(), dueAt: NOW }),
      () => ping(),
    ];
    const outages = () =>
      Promise.all(
        work.map((ask) =>
          ask().then(
            () => 'answered',
            (error: unknown) => isOutage(error),
          ),
        ),
      );
    await store.usedTokens.use('before', NOW);
    server.pause();
    expect(await outages()).toEqual([true, true, true, true]);
    server.resume();
    await server.kill();
    expect(await outages()).toEqual([true, true, true, true]);
    await server.start();
    expect(await store.usedTokens.use('before', NOW)).toBe(false);
    await close();
  });

  it('is migrated once by brokers that start at the same moment', async () => {
    const server = await startSqld(`${folder}/together`);
    onTestFinished(server.kill);
    const opened = await Promise.all([1, 2, 3].map(() => openControl(server.url)));
    for (const { close } of opened) await close();
  });
});
