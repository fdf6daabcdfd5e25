import type { D1Database } from '@cloudflare/workers-types';
import { drizzle } from 'drizzle-orm/d1';
import type { RecordDatabase } from './database.ts';
import * as schema from './schema.ts';

export const openRecord = (binding: D1Database): RecordDatabase => drizzle(binding, { schema });
