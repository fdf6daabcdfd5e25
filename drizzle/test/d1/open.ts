import { env } from 'cloudflare:workers';
import { drizzle } from 'drizzle-orm/d1';
import { openControl } from '../../control/open-d1.ts';
import * as controlSchema from '../../control/schema.ts';
import { openRecord } from '../../record/open-d1.ts';
import * as recordSchema from '../../record/schema.ts';
import { emptied, type OpenDatabases } from '../suite/databases.ts';

export const openD1: OpenDatabases = () =>
  emptied({
    control: openControl(env.CONTROL),
    record: openRecord(env.RECORD),
    controlDb: drizzle(env.CONTROL, { schema: controlSchema }),
    recordDb: drizzle(env.RECORD, { schema: recordSchema }),
  });
