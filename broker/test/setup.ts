import { applyD1Migrations, reset } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { afterEach, beforeAll, beforeEach, expect, vi } from 'vitest';
import { startBroker } from './broker.ts';
import { requestTo } from './call.ts';
import { secretsIn } from './canaries.ts';
import { NOW } from './clock.ts';
import { forgetKeys } from './databases.ts';
import { insertOperator } from './keys.ts';
import { outbound } from './outbound.ts';
import { printed } from './printed.ts';
import { inShards } from './record.ts';
import { beginLife } from './worker.ts';

/*
 * All files of a run share one runtime; each begins with nothing in it. `reset` forgets the storage only of what is in
 * memory, and the runtime takes out of memory what nobody asked for ten seconds: so all of it is asked before.
 */
await inShards('SELECT 1');
await Promise.all([
  env.CONTROL.prepare('SELECT 1').run(),
  env.RECORD.prepare('SELECT 1').run(),
  env.AUDIT_ANCHOR?.head('nothing'),
  env.AUDIT_ARCHIVE?.head('nothing'),
]);
await reset();
beginLife();
await applyD1Migrations(env.CONTROL, env.TEST_CONTROL_MIGRATIONS);
await applyD1Migrations(env.RECORD, env.TEST_RECORD_MIGRATIONS);
await insertOperator();

/** A test may turn the clock before it needs a key: each file begins with one that is active from the beginning. */
beforeAll(async () => {
  vi.useFakeTimers({ toFake: ['Date'], now: NOW * 1000 });
  await forgetKeys();
  await startBroker().front(requestTo('/.well-known/jwks.json'));
});

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'], now: NOW * 1000 });
  outbound.reset();
  printed.length = 0;
  for (const method of ['log', 'info', 'warn', 'error', 'debug'] as const) {
    vi.spyOn(console, method).mockImplementation((...words) => {
      printed.push(words.map(readable).join(' '));
    });
  }
  vi.spyOn(globalThis, 'fetch').mockImplementation(async (to) =>
    outbound.fetch(to instanceof Request ? to.url : String(to)),
  );
});

afterEach(() => {
  vi.restoreAllMocks();
  expect(outbound.unexpected, 'nothing is fetched that the test does not serve').toEqual([]);
  expect(secretsIn(printed.join('\n')), 'no secret is printed').toEqual([]);
});

const readable = (word: unknown): string =>
  word instanceof Error
    ? `${word.stack}`
    : typeof word === 'string'
      ? word
      : (JSON.stringify(word) ?? String(word));
