import { createClient } from '@libsql/client';
import { drizzle } from 'drizzle-orm/libsql';
import { afterAll } from 'vitest';
import * as controlSchema from '../../control/schema.ts';
import { openControl, openRecord } from '../../open-libsql.ts';
import * as recordSchema from '../../record/schema.ts';
import { type Databases, emptied, type OpenDatabases } from '../suite/databases.ts';
import { temporaryFolder } from './folder.ts';
import { type Sqld, startSqld } from './sqld.ts';

/** Both databases as files of their own, opened once for the tests of one file. */
export function libsqlFiles(): OpenDatabases {
  const folder = temporaryFolder();
  return openedOnce(async () => ({
    control: `file:${folder}/control.db`,
    record: `file:${folder}/record.db`,
  }));
}

/** The same with a real server for each. */
export function libsqlServers(): OpenDatabases {
  const folder = temporaryFolder();
  const servers: Sqld[] = [];
  afterAll(async () => {
    for (const { kill } of servers) await kill();
  });
  return openedOnce(async () => {
    const [control, record] = await Promise.all([
      startSqld(`${folder}/control`),
      startSqld(`${folder}/record`),
    ]);
    servers.push(control, record);
    return { control: control.url, record: record.url };
  });
}

function openedOnce(
  urls: () => Promise<{ readonly control: string; readonly record: string }>,
): OpenDatabases {
  let opened: Promise<Databases> | undefined;
  const toClose: { close(): void | Promise<void> }[] = [];
  afterAll(async () => {
    for (const each of toClose) await each.close();
  });
  async function openBoth(): Promise<Databases> {
    const url = await urls();
    const [control, record] = [await openControl(url.control), await openRecord(url.record)];
    const own = { control: createClient({ url: url.control }), record: createClient({ url: url.record }) };
    toClose.push(control, record, own.control, own.record);
    return {
      control: control.store,
      record: record.store,
      controlDb: drizzle(own.control, { schema: controlSchema }),
      recordDb: drizzle(own.record, { schema: recordSchema }),
    };
  }
  return async () => {
    opened ??= openBoth();
    return emptied(await opened);
  };
}
