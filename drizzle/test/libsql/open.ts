import { afterAll } from 'vitest';
import { type OpenDatabase, openControl, openRecord } from '../../open-libsql.ts';
import { type Databases, emptied, type OpenDatabases } from '../suite/databases.ts';
import { temporaryFolder } from './folder.ts';

/** Both databases as files of their own, opened once for the tests of one file. */
export function libsqlFiles(): OpenDatabases {
  const folder = temporaryFolder();
  let opened: Databases | undefined;
  const toClose: OpenDatabase<unknown>[] = [];
  afterAll(() => {
    for (const each of toClose) each.close();
  });
  return async () => {
    if (opened === undefined) {
      const control = await openControl(`file:${folder}/control.db`);
      const record = await openRecord(`file:${folder}/record.db`);
      toClose.push(control, record);
      opened = { control: control.db, record: record.db };
    }
    return emptied(opened);
  };
}
