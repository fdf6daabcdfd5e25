import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createClient } from '@libsql/client';
import { sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/libsql';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openControl, openRecord } from '../../open-libsql.ts';
import { isBusy, isOutage } from '../../outage.ts';
import * as recordSchema from '../../record/schema.ts';
import { MINUTE, NOW } from '../suite/rows.ts';
import { temporaryFolder } from './folder.ts';

const folder = temporaryFolder();
let files = 0;
const newFile = (): string => {
  files += 1;
  return `file:${folder}/${files}.db`;
};

/** Another process that has the write lock. */
async function holdLock(url: string) {
  const child: ChildProcess = spawn(process.execPath, [join(import.meta.dirname, 'lock-holder.ts'), url], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  const { stdin, stdout } = child;
  if (stdin === null || stdout === null) throw new Error('the lock holder has no pipes');
  await once(stdout, 'data');
  return {
    async release(): Promise<void> {
      stdin.write('go\n');
      await once(stdout, 'data');
    },
    async die(): Promise<void> {
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
}

async function openedRecord(deadlineMs: number) {
  const url = newFile();
  const record = await openRecord(url, undefined, { deadlineMs });
  onTestFinished(() => record.close());
  const client = createClient({ url });
  onTestFinished(() => client.close());
  const db = drizzle(client, { schema: recordSchema });
  const count = () => record.store.rates.count({ key: 'alice', limit: 1 }, NOW, MINUTE);
  return { url, db, count };
}

describe('while another process holds the lock', () => {
  it('a write is an outage in bounded time, reading goes on, and all is well afterwards', async () => {
    const { url, db, count } = await openedRecord(60);
    const lock = await holdLock(url);
    const failure: unknown = await count()
      .then(() => undefined)
      .catch((error: unknown) => error);
    expect([isOutage(failure), isBusy(failure)]).toEqual([true, true]);
    expect(await db.select().from(recordSchema.rateWindows)).toEqual([]);
    await lock.release();
    expect(await count()).toMatchObject({ count: 1 });
  });

  it('a write waits without stopping the process, and is done once when the lock is free', async () => {
    const { url, count } = await openedRecord(20_000);
    const lock = await holdLock(url);
    const waiting = count();
    let turns = 0;
    for (; turns < 20; turns += 1) await new Promise((resolve) => setTimeout(resolve, 1));
    await lock.release();
    expect(turns).toBe(20);
    expect(await waiting).toMatchObject({ count: 1 });
  });

  it('that dies with it, nothing of its work is left and writing goes on', async () => {
    const { url, db, count } = await openedRecord(20_000);
    const lock = await holdLock(url);
    const waiting = count();
    await lock.die();
    expect(await waiting).toMatchObject({ count: 1 });
    await expect(db.all(sql`SELECT * FROM left_behind`)).rejects.toThrow();
  });

  it('a hundred writes at once all wait their turn', async () => {
    const { url, count } = await openedRecord(20_000);
    const lock = await holdLock(url);
    const counted = Array.from({ length: 100 }, () => count());
    await lock.release();
    const numbers = (await Promise.all(counted)).map((window) => window.count);
    expect(numbers.sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, index) => index + 1));
  });
});

describe('opening a database', () => {
  it.each([openControl, openRecord])('at once from ten sides migrates it once', async (open) => {
    const url = newFile();
    const opened = await Promise.all(Array.from({ length: 10 }, () => open(url)));
    for (const each of opened) {
      await each.ping();
      await each.close();
    }
  });
});
