import { changeEventQueries } from '@agent-ticket/drizzle/control/change-events.ts';
import { signingKeyQueries } from '@agent-ticket/drizzle/control/signing-keys.ts';
import { auditLogQueries } from '@agent-ticket/drizzle/record/audit-log.ts';
import { describe, expect, it } from 'vitest';
import { announcer } from '../../../src/audit/announce.ts';
import { createKeyring } from '../../../src/keys/keyring.ts';
import { maintainKeys } from '../../../src/keys/maintenance.ts';
import { DEFAULT_SCHEDULE, stateOf } from '../../../src/keys/schedule.ts';
import { recordLedger } from '../../../src/mint/ledger/record.ts';
import { openFiles } from '../folder.ts';
import { NOW } from '../start-broker.ts';

const START = NOW * 1000;
const DUE = START + DEFAULT_SCHEDULE.everyMs - DEFAULT_SCHEDULE.leadMs;

class Crash extends Error {}
/** Ends the process at one of the calls to a database: before it was made, or after it was carried out. */
interface Fate {
  readonly call: number;
  readonly side: 'before' | 'after';
}

/** Counts the calls of all methods, each of which is one statement or one batch, and crashes at one of them. */
function mortal(fate: Fate | undefined) {
  let calls = 0;
  return {
    calls: () => calls,
    through<T extends object>(queries: T): T {
      return new Proxy(queries, {
        get(target, name) {
          const method: unknown = Reflect.get(target, name);
          if (typeof method !== 'function') return method;
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
async function live({ control, record }: Files, now: number, fate?: Fate): Promise<number> {
  const life = mortal(fate);
  const keys = life.through(signingKeyQueries(control.db));
  const events = life.through(changeEventQueries(control.db));
  const ledger = life.through(recordLedger(record.db, () => now));
  const keyringOf = (purpose: 'ticket' | 'audit') =>
    createKeyring({
      keys,
      purpose,
      schedule: DEFAULT_SCHEDULE,
      keyEncryptionKey: new Uint8Array(32),
      randomBytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
      randomId: () => crypto.randomUUID(),
      announce: announcer({ changeEvents: events, ledger, log: () => {} }),
    });
  const ports = {
    keyring: keyringOf('ticket'),
    auditKeyring: keyringOf('audit'),
    randomId: () => crypto.randomUUID(),
    log: () => {},
  };
  const living = maintainKeys(ports, now);
  if (fate === undefined) await living;
  else await expect(living).rejects.toThrow(Crash);
  return life.calls();
}

/** What must be so when all is done: keys in their order, each told of once, nothing waiting. */
async function expectWhole({ control, record }: Files, now: number, generations: number): Promise<void> {
  const told = await auditLogQueries(record.db).arrivals(0, 100);
  expect(await changeEventQueries(control.db).waiting()).toEqual([]);
  for (const purpose of ['ticket', 'audit'] as const) {
    const rows = (await signingKeyQueries(control.db).list(purpose)).reverse();
    expect(rows.map(({ generation }) => generation)).toEqual(
      Array.from({ length: generations }, (_, i) => i + 1),
    );
    expect(rows.filter((row) => stateOf(row, now) === 'active')).toHaveLength(1);
    const [first, second] = rows;
    expect(first?.retiresAt ?? undefined).toBe(second?.activatesAt);
    expect(
      told.filter(({ details }) => details?.purpose === purpose).map(({ type, kid }) => [type, kid]),
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
      await live(files, now);
      await expectWhole(files, now, generations);
    }
  });

  it('again in the run that completes it, leaves what the run after that completes', async () => {
    const calls = await live(await begin(), now);
    for (let call = 1; call <= calls; call += 1) {
      const files = await begin();
      await live(files, now, { call, side: 'after' });
      for (const next of [1, 2, 3]) await live(files, now, { call: next, side: 'after' });
      await live(files, now);
      await expectWhole(files, now, generations);
    }
  });

  it('cannot be where ten instances do it at once: one key comes of it', async () => {
    const files = await begin();
    await Promise.all(Array.from({ length: 10 }, () => live(files, now)));
    await live(files, now);
    await expectWhole(files, now, generations);
  });
});
