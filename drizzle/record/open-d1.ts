import type { D1Database } from '@cloudflare/workers-types';
import { drizzle } from 'drizzle-orm/d1';
import { BATCH_DEADLINE_MS, d1Within } from '../deadline.ts';
import * as schema from './schema.ts';
import { type RecordStore, recordStore } from './store.ts';

/** Each statement and batch has a deadline: a delivery that hangs would hold up all that comes after it. */
export const openRecord = (binding: D1Database, deadlineMs = BATCH_DEADLINE_MS): RecordStore =>
  recordStore(drizzle(d1Within(binding, deadlineMs), { schema }));
