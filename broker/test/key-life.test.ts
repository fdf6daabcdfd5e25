import { env } from 'cloudflare:workers';
import { openControl } from '@agent-ticket/drizzle/control/open-d1.ts';
import { openRecord } from '@agent-ticket/drizzle/record/open-d1.ts';
import { KEY_SET, SESSION_SECONDS } from '@agent-ticket/shared/limits.ts';
import { KeyId } from '@agent-ticket/shared/names.ts';
import { beforeEach, describe, expect, it } from 'vitest';
import { revoke, rotate } from '../src/keys/changes.ts';
import { createKeyring, type Keyring } from '../src/keys/keyring.ts';
import { maintainKeys } from '../src/keys/maintenance.ts';
import { DEFAULT_SCHEDULE, SIGNER_CACHE_MS } from '../src/keys/schedule.ts';
import { NOW } from './clock.ts';
import { forgetKeys } from './databases.ts';
import { insertKeyRow, keyRows } from './keys.ts';
import { startVerifier, type Verifier } from './verifiers.ts';

/** Whole lives of keys on a stepped clock. A connection is decided by whether its key is found; the rest is other tests'. */

const START = NOW * 1000;
const SECOND = 1000;
const STEP = 20 * SECOND;
const control = openControl(env.CONTROL);
/** Writes a change of keys with an event that nobody delivers. */
const write = (kid: string, change: Parameters<Parameters<typeof rotate>[2]>[1]) =>
  control.change({
    ...change,
    event: { eventId: crypto.randomUUID(), at: START, type: 'key.rotated', outcome: 'success', kid },
    dueAt: START,
  });
const turn = (keys: Keyring, now: number, activate: 'scheduled' | 'now' = 'scheduled') =>
  rotate(keys, { now, activate }, ({ row }, change) => write(row.kid, change));

const keyring = (everyMs = DEFAULT_SCHEDULE.everyMs, from = control): Keyring =>
  createKeyring({
    control: from,
    record: openRecord(env.RECORD),
    log: () => {},
    purpose: 'ticket',
    config: {
      keySchedule: { ...DEFAULT_SCHEDULE, everyMs },
      keyEncryptionKey: new Uint8Array(32).fill(7),
    },
    randomBytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
    randomId: () => crypto.randomUUID(),
  });

/** The steps of one minute; one keyring represents both. */
const maintenanceOf = (keys: Keyring) => ({
  control,
  keyring: keys,
  auditKeyring: keys,
  randomId: () => crypto.randomUUID(),
  log: () => {},
});

const publisher = (keys: Keyring) => async (now: number) =>
  Response.json({ keys: (await keys.published(now)).map(({ material }) => material.publicJwk) });

const signing = async (keys: Keyring, now: number): Promise<string> => {
  const signer = await keys.signer(now);
  return signer.ok ? signer.value.row.kid : signer.denial.reason;
};

beforeEach(async () => {
  await forgetKeys();
});

describe('rotations on schedule', () => {
  it('refuse no ticket over 20 of them, whatever the age of a verifier’s cache', async () => {
    const every = 1_200 * SECOND;
    const [publishes, signs, maintains] = [keyring(every), keyring(every), keyring(every)];
    const ports = maintenanceOf(maintains);
    const publish = publisher(publishes);
    // Down until a set taken a minute before is nearly too old, at every phase of a rotation.
    const downFor = (from: number) => (now: number) => {
      const phase = (now - START - from * SECOND) % (700 * SECOND);
      return now > START + 60 * SECOND && phase >= 0 && phase < 260 * SECOND;
    };
    const verifiers: Verifier[] = [
      { every: 20 },
      { every: 20, edge: 60 },
      { every: 40, edge: 60 },
      { every: 60 },
      { every: 360, edge: 60 },
      { every: 1220 },
      ...[0, 200, 400].map((from) => ({ every: 20, edge: 60, isDown: downFor(from) })),
    ].map((options) => startVerifier(publish, options));

    const minted: string[] = [];
    const seen = new Map<string, number>();
    const kids = new Set<string>();
    for (let step = 0; step <= (20 * every + 600 * SECOND) / STEP; step += 1) {
      const now = START + step * STEP;
      if (step % 3 === 0) await maintainKeys(ports, now);
      const kid = await signing(signs, now);
      minted.push(kid);
      kids.add(kid);
      for (const verifier of verifiers) {
        if (((step * STEP) / SECOND) % verifier.every !== 0) continue;
        // Shown at once, after a minute, and at the end of the longest life.
        for (const age of new Set([kid, minted[step - 3] ?? kid, minted[step - 15] ?? kid])) {
          const answer = await verifier.ask(age, now);
          seen.set(answer, (seen.get(answer) ?? 0) + 1);
        }
      }
    }
    expect(kids.size).toBe(21);
    expect([...seen.keys()]).toEqual(['taken']);
  });

  it('make one key, whichever of five instances comes first', async () => {
    const rings = Array.from({ length: 5 }, () => keyring());
    await signing(rings[0] ?? keyring(), START);
    const due = START + DEFAULT_SCHEDULE.everyMs - DEFAULT_SCHEDULE.leadMs;
    await Promise.all(rings.map((ring) => maintainKeys(maintenanceOf(ring), due)));
    expect((await keyRows()).map(({ generation }) => generation)).toEqual([2, 1]);
  });
});

describe('rotations at once', () => {
  it('cost a verifier with a binding no more than a few retries', async () => {
    const [publishes, signs] = [keyring(), keyring()];
    const verifier = startVerifier(publisher(publishes), { every: 1, cooldownMs: KEY_SET.bindingCooldownMs });
    const seen = new Map<string, number>();
    for (let tick = 0; tick < 600; tick += 1) {
      const now = START + tick * 100;
      // Another one every three seconds, faster than anybody rotates.
      if (tick % 30 === 15) await turn(keyring(), now, 'now');
      const answer = await verifier.ask(await signing(signs, now), now);
      seen.set(answer, (seen.get(answer) ?? 0) + 1);
    }
    expect(seen.get('unknown')).toBeUndefined();
    expect(seen.get('unavailable') ?? 0).toBeLessThan(12);
    expect(seen.get('taken')).toBeGreaterThan(588);
  });
});

describe('a revoked key', () => {
  const take = (keys: Keyring, kid: string, now: number) =>
    revoke(keys, { kid, now }, (_plan, change) => write(kid, change));

  it.each([
    ['120 s while the set is reachable, also through a cache on the way', false, 120],
    ['360 s while it is not', true, 360],
  ])('is forgotten by every verifier within %s', async (_what, away, bound) => {
    const keys = keyring();
    const leaked = await signing(keys, START);
    const revokedAt = START + 600 * SECOND;
    const isDown = (now: number) => away && now >= revokedAt;
    const verifiers = Array.from({ length: 13 }, (_, index) => ({
      offset: index * 5,
      verifier: startVerifier(publisher(keys), { every: 5, edge: away ? 0 : 60, isDown }),
    }));
    let last = 0;
    for (let now = START; now <= revokedAt + 500 * SECOND; now += 5 * SECOND) {
      if (now === revokedAt) expect((await take(keys, leaked, now)).ok).toBe(true);
      for (const { offset, verifier } of verifiers) {
        if (now < START + offset * SECOND) continue;
        if ((await verifier.ask(leaked, now)) === 'taken') last = Math.max(last, now);
      }
    }
    expect(last).toBeGreaterThan(revokedAt);
    expect(last - revokedAt).toBeLessThanOrEqual(bound * SECOND);
  });

  it('is followed at once by the pending key, or by a new one; a retired one never comes back', async () => {
    const keys = keyring();
    const first = await signing(keys, START);
    await turn(keys, START);
    const [pending] = await keyRows();
    await take(keys, first, START + SECOND);
    expect(await signing(keys, START + SECOND)).toBe(pending?.kid);
    await take(keys, pending?.kid ?? '', START + 2 * SECOND);
    const third = await signing(keys, START + 2 * SECOND);
    expect([first, pending?.kid]).not.toContain(third);
    expect((await keys.published(START + 2 * SECOND)).map(({ row }) => row.kid)).toEqual([third]);
  });

  it('that was to sign next leaves the present one in place, without an end', async () => {
    const keys = keyring();
    const first = await signing(keys, START);
    await turn(keys, START);
    const [pending] = await keyRows();
    await take(keys, pending?.kid ?? '', START + SECOND);
    expect(await signing(keys, START + 2 * DEFAULT_SCHEDULE.leadMs)).toBe(first);
  });

  it('is followed by no pending key that does not open', async () => {
    const keys = keyring();
    const first = await signing(keys, START);
    await insertKeyRow({ kid: 'f'.repeat(43), sealed: '', activates_at: START + 3_600 * SECOND });
    await take(keys, first, START + SECOND);
    const next = await signing(keys, START + SECOND);
    expect((await keyRows()).find(({ kid }) => kid === next)).toMatchObject({ generation: 100 });
  });

  it('leaves one key, when two revoke it and one rotates at the same time', async () => {
    const keys = keyring();
    const first = await signing(keys, START);
    const outcomes = await Promise.all([
      take(keyring(), first, START),
      take(keyring(), first, START),
      turn(keyring(), START),
    ]);
    expect(outcomes.slice(0, 2).filter(({ ok }) => ok)).toHaveLength(1);
    const later = START + SIGNER_CACHE_MS + 1;
    expect(await signing(keys, later)).not.toBe(first);
    expect((await keys.published(later)).map(({ row }) => row.kid)).not.toContain(first);
  });

  it('is not made good by an edit of its row: the private part is gone', async () => {
    const keys = keyring();
    const first = await signing(keys, START);
    await take(keys, first, START);
    await env.CONTROL.prepare('UPDATE signing_keys SET revoked_at = NULL, removed_at = NULL WHERE kid = ?')
      .bind(first)
      .run();
    expect((await keys.published(START)).map(({ row }) => row.kid)).not.toContain(first);
  });
});

it('keys are published from what was last read while the database is away, as long as a verifier would hold them', async () => {
  let isAway = false;
  const list: typeof control.keys.list = (purpose) =>
    isAway ? Promise.reject(new Error('Network connection lost')) : control.keys.list(purpose);
  const keys = keyring(DEFAULT_SCHEDULE.everyMs, { ...control, keys: { ...control.keys, list } });
  const kidsAt = async (now: number) => (await keys.published(now)).map(({ row }) => row.kid);
  const first = await kidsAt(START);
  isAway = true;
  expect(await kidsAt(START + KEY_SET.staleMs)).toEqual(first);
  await expect(kidsAt(START + KEY_SET.staleMs + 1)).rejects.toThrow('Network connection lost');
});

it('the public half of a retired ticket key is found until the last session of it is over, and of a revoked one never', async () => {
  const keys = keyring();
  const first = await signing(keys, START);
  await turn(keys, START, 'now');
  const removedAt = START + DEFAULT_SCHEDULE.lagMs;
  const end = removedAt + SESSION_SECONDS * SECOND;
  const isFound = async (now: number) => (await keyring().findPublic(KeyId.parse(first), now)).ok;
  expect([await isFound(removedAt), await isFound(end - 1), await isFound(end)]).toEqual([true, true, false]);
  // The private half is still there, as where somebody has written into a restored row.
  await env.CONTROL.prepare('UPDATE signing_keys SET revoked_at = ? WHERE kid = ?').bind(START, first).run();
  expect(await isFound(removedAt)).toBe(false);
});
