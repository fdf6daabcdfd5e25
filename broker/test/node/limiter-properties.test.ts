import { openRecord } from '@agent-ticket/drizzle/open-libsql.ts';
import { afterAll } from 'vitest';
import { recordingIn } from '../../src/mint/shard-node.ts';
import { describeLimiter } from '../limiter-cases.ts';

const database = await openRecord('file::memory:');
afterAll(() => database.close());

let now = 1_700_000_000_000;
const clock = () => now;
describeLimiter({
  write: recordingIn(database.store, clock).write,
  clock,
  setClock: (ms) => {
    now = ms;
  },
  disturb: async () => {},
});
