import { drizzle } from 'drizzle-orm/d1';
import type { ControlDatabase } from './control/database.ts';
import * as control from './control/schema.ts';
import type { RecordDatabase } from './record/database.ts';
import * as record from './record/schema.ts';

export const openControl = (binding: D1Database): ControlDatabase => drizzle(binding, { schema: control });
export const openRecord = (binding: D1Database): RecordDatabase => drizzle(binding, { schema: record });
