import type { ControlStore } from '@agent-ticket/drizzle/control/store.ts';
import type { RecordStore } from '@agent-ticket/drizzle/record/store.ts';
import { describe, expect, it } from 'vitest';
import { createKeyring } from '../../../src/keys/keyring.ts';
import { maintainKeys } from '../../../src/keys/maintenance.ts';
import { DEFAULT_SCHEDULE, stateOf } from '../../../src/keys/schedule.ts';
import { flushOutbox } from '../../../src/revocation/outbox.ts';
import { openFiles } from '../folder.ts';
import { NOW } from '../start-broker.ts';

const START = NOW * 1000;
const DUE = START + DEFAULT_SCHEDULE.everyMs - DEFAULT_SCHEDULE.leadMs;
const MINUTE = 60_000;

class Crash extends Error {}
/** Ends the process at one of the calls to a database: before it was made, or after it was carried out. */
interface Fate {
  readonly call: number;
  readonly side: 'before' | 'after';
}

/** Counts the calls of some methods, each of which is one statement or one batch, and crashes at one of them. */
function mortal(fate: Fate | undefined) {
  let calls = 0;
  return {
    calls: () => calls,
    through<T extends object>(store: T, names: readonly (keyof T)[]): T {
      return new Proxy(store, {
        get(target, name) {
          const method: unknown = Reflect.get(target, name);
          if (typeof method !== 'function' || names.every((each) => each !== name)) return method;
          return async (...args: unknown[]): Promise<unknown> => {
            calls += 1;
            const isLast = calls === fate?.call;
            if (fate !== undefined && calls > fate.call) throw new Crash('nothing happens after the end');
            if (isLast && fate?.side === 'before') throw new Crash('before');
            const answer: unknown = await Reflect.apply(method, target, args);
            if (isLast) throw new Crash('after');
            return answer;
          };
        },
      });
    },
  };
}

type Files = Awaited<ReturnType<typeof openFiles>>;

/** One process: it knows nothing but what the files say. Answers how many calls it made. */
async function live(files: Files, now: number, fate?: Fate): Promise<number> {
  const life = mortal(fate);
  const stored = files.control.store;
  const control: ControlStore = {
    ...stored,
    change: life.through(stored, ['change']).change,
    keys: life.through(stored.keys, ['list', 'purge']),
    outbox: life.through(stored.outbox, ['due', 'take', 'done']),
  };
  const record: RecordStore = {
    ...files.record.store,
    deliverChange: life.through(files.record.store, ['deliverChange']).deliverChange,
  };
  const parts = {
    control,
    record,
    randomId: () => crypto.randomUUID(),
    randomBytes: (length: number) => crypto.getRandomValues(new Uint8Array(length)),
    clock: () => now,
    log: () => {},
  };
  const config = {
    issuer: 'https://broker.test',
    workers: [{ name: 'default', url: 'https://agents.test', audience: 'agents.test' }],
    keySchedule: DEFAULT_SCHEDULE,
    keyEncryptionKey: new Uint8Array(32),
  };
  const ports = {
    ...parts,
    config,
    registry: [],
    keyring: createKeyring({ ...parts, config, purpose: 'ticket' }),
    auditKeyring: createKeyring({ ...parts, config, purpose: 'audit' }),
    measure: () => {},
    sendControl: () => Promise.reject(new Error('no change of keys here sends a command')),
  };
  try {
    await maintainKeys(ports, now);
    await flushOutbox(ports);
  } catch (error) {
    if (!(error instanceof Crash)) throw error;
  }
  expect(life.calls()).toBeGreaterThanOrEqual(fate?.call ?? 1);
  return life.calls();
}

/** What must be so when all is done: keys in their order, one event for each, nothing waiting. */
async function expectWhole({ control, record }: Files, now: number, generations: number): Promise<void> {
  const events = await record.store.auditLog.arrivals(0, 100);
  expect(await control.store.outbox.count()).toBe(0);
  for (const purpose of ['ticket', 'audit'] as const) {
    const rows = (await control.store.keys.list(purpose)).reverse();
    expect(rows.map(({ generation }) => generation)).toEqual(
      Array.from({ length: generations }, (_, i) => i + 1),
    );
    expect(rows.filter((row) => stateOf(row, now) === 'active')).toHaveLength(1);
    const [first, second] = rows;
    expect(first?.retiresAt ?? undefined).toBe(second?.activatesAt);
    expect(
      events.filter(({ details }) => details?.purpose === purpose).map(({ type, kid }) => [type, kid]),
    ).toEqual(rows.map(({ kid }, index) => [index === 0 ? 'key.created' : 'key.rotated', kid]));
  }
}

/** Every call of a life, on both sides. */
const fates = (calls: number): Fate[] =>
  Array.from({ length: calls }, (_, index) => index + 1).flatMap((call) => [
    { call, side: 'before' as const },
    { call, side: 'after' as const },
  ]);

describe.each([
  ['the first start', false, START, 1],
  ['a rotation that is due', true, DUE, 2],
] as const)('a crash during %s', (_what, hasKeys, now, generations) => {
  const begin = async (): Promise<Files> => {
    const files = await openFiles();
    if (hasKeys) await live(files, START);
    return files;
  };

  it('at any call, before or after it, leaves what the next run completes', async () => {
    const whole = await begin();
    const calls = await live(whole, now);
    await expectWhole(whole, now, generations);
    expect(calls).toBeGreaterThan(8);
    for (const fate of fates(calls)) {
      const files = await begin();
      await live(files, now, fate);
      await live(files, now + MINUTE);
      await expectWhole(files, now, generations);
    }
  });

  it('again in the run that completes it, leaves what the run after that completes', async () => {
    const calls = await live(await begin(), now);
    for (let call = 1; call <= calls; call += 1) {
      const files = await begin();
      await live(files, now, { call, side: 'after' });
      for (const next of [1, 2, 3]) await live(files, now + next * MINUTE, { call: next, side: 'after' });
      await live(files, now + 4 * MINUTE);
      await expectWhole(files, now, generations);
    }
  });

  it('cannot be where ten instances do it at once: one key comes of it', async () => {
    const files = await begin();
    await Promise.all(Array.from({ length: 10 }, () => live(files, now)));
    await live(files, now + MINUTE);
    await expectWhole(files, now, generations);
  });
});
