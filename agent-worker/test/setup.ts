import { applyD1Migrations, reset } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { afterAll, afterEach, beforeEach, vi } from 'vitest';
import { resetBroker } from './broker.ts';
import { closeSockets } from './sockets.ts';
import { NOW } from './tickets.ts';
import { expectNothingLeft, watch } from './watch.ts';

/*
 * All files of a run share one runtime; each begins with an empty database. `reset` forgets the storage only of what is
 * in memory, and the runtime takes out of memory what nobody asked for ten seconds: so the database is asked before.
 * Objects that slept keep what they have: tests that look into objects give them names of their own.
 */
await env.RECORD.prepare('SELECT 1').run();
await reset();
await applyD1Migrations(env.RECORD, env.TEST_MIGRATIONS);

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'], now: NOW * 1000 });
  resetBroker();
  watch();
});

afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
  expectNothingLeft();
});

afterAll(closeSockets);
