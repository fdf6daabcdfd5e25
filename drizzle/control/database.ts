import type { Database } from '../database.ts';
import type * as schema from './schema.ts';

export type ControlDatabase = Database<typeof schema>;
