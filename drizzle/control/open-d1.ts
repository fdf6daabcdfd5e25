import type { D1Database } from '@cloudflare/workers-types';
import { drizzle } from 'drizzle-orm/d1';
import type { ControlDatabase } from './database.ts';
import * as schema from './schema.ts';

export const openControl = (binding: D1Database): ControlDatabase => drizzle(binding, { schema });
