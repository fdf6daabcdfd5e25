import type { D1Database } from '@cloudflare/workers-types';
import { drizzle } from 'drizzle-orm/d1';
import { d1Within, STATEMENT_DEADLINE_MS } from '../deadline.ts';
import * as schema from './schema.ts';
import { type ControlStore, controlStore } from './store.ts';

/** Each statement has a deadline: every mint waits for this database. */
export const openControl = (binding: D1Database, deadlineMs = STATEMENT_DEADLINE_MS): ControlStore =>
  controlStore(drizzle(d1Within(binding, deadlineMs), { schema }));
