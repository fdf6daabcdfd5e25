import { applyD1Migrations, reset } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { afterAll, afterEach, beforeEach, vi } from 'vitest';
import { resetBroker } from './broker.ts';
import { closeSockets } from './sockets.ts';
import { NOW } from './tickets.ts';
import { expectNothingLeft, watch } from './watch.ts';

/** All files of a run share one runtime. Each begins with no object and an empty database. */
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
