import { execFile } from 'node:child_process';
import { copyFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { beforeAll, expect, it } from 'vitest';
import * as z from 'zod';
import { rowsOf } from '../folder.ts';
import { basic } from '../start-broker.ts';
import {
  type BrokerProcess,
  mintAt,
  newHome,
  settingsIn,
  spawnBroker,
  startBroker,
} from './broker-process.ts';

/** Steps of docs/operate on a real process: a new `KEK`, the proof of an exported log, and a restored backup. */

const NEW_KEK = `${'N'.repeat(42)}A`;
const CLI = join(import.meta.dirname, '../../../../cli/src/node.ts');

type Home = Awaited<ReturnType<typeof newHome>>;
let home: Home;

beforeAll(async () => {
  home = await newHome({
    tier: 'admin',
    permissions: ['keys:read', 'keys:revoke', 'keys:rotate', 'audit:read'],
  });
});

/** Runs a broker on the same databases for as long as `work` takes. */
async function withBroker<T>(
  settings: Readonly<Record<string, string>>,
  work: (broker: BrokerProcess) => Promise<T>,
): Promise<T> {
  const broker = await startBroker(settingsIn(home.folder, settings));
  try {
    return await work(broker);
  } finally {
    broker.signal('SIGTERM');
    expect(await broker.ended).toEqual([0, null]);
  }
}

const ask = (broker: BrokerProcess, path: string, init: RequestInit = {}) =>
  fetch(`${broker.url}${path}`, {
    ...init,
    headers: { ...basic(home.token.clientId, home.token.clientSecret) },
  });
const kidsAt = async (broker: BrokerProcess): Promise<string[]> => {
  const set = await (await ask(broker, '/.well-known/jwks.json')).json();
  return z
    .object({ keys: z.array(z.object({ kid: z.string() })) })
    .parse(set)
    .keys.map(({ kid }) => kid);
};
const Resealed = z.object({ resealed: z.int(), unreadable: z.array(z.unknown()) });
const reseal = async (broker: BrokerProcess) =>
  Resealed.parse(await (await ask(broker, '/admin/keys/reseal', { method: 'POST' })).json());

it('a new KEK: both, reseal, the new one alone; the old one opens nothing any more', async () => {
  const before = await withBroker({}, async (broker) => {
    expect((await mintAt(broker.url, home.token)).status).toBe(201);
    return kidsAt(broker);
  });

  const previous = settingsIn(home.folder).KEK ?? '';
  await withBroker({ KEK: NEW_KEK, KEK_PREVIOUS: previous }, async (broker) => {
    expect((await mintAt(broker.url, home.token)).status).toBe(201);
    // The ticket key and the audit key.
    expect(await reseal(broker)).toEqual({ resealed: 2, unreadable: [] });
    expect(await reseal(broker)).toEqual({ resealed: 0, unreadable: [] });
  });

  await withBroker({ KEK: NEW_KEK }, async (broker) => {
    expect((await mintAt(broker.url, home.token)).status).toBe(201);
    expect(await kidsAt(broker)).toEqual(before);
  });

  const { ended, lines } = spawnBroker(settingsIn(home.folder));
  expect(await ended).toEqual([1, null]);
  expect(lines.join()).toContain('there are ticket keys, but no key opens with KEK or KEK_PREVIOUS');
});

const Checkpoints = z.object({ items: z.array(z.object({ through: z.int(), jws: z.string() })) });

it('an exported log is proven to its end by its keys and a checkpoint kept elsewhere', async () => {
  const file = (name: string) => join(home.folder, name);
  await withBroker({ KEK: NEW_KEK }, async (broker) => {
    const newest = await eventually(async () => {
      const page = await ask(broker, '/admin/agents/audit/checkpoints?limit=1');
      const [first] = Checkpoints.parse(await page.json()).items;
      // The run that each start begins with seals what is there, though not twice in one minute.
      expect(first?.through).toBeGreaterThan(0);
      return first;
    });
    const exported = await (await ask(broker, '/admin/agents/audit/export?after=0')).text();
    await writeFile(file('audit.ndjson'), exported);
    await writeFile(file('short.ndjson'), `${exported.trim().split('\n').slice(0, 1).join('\n')}\n`);
    await writeFile(
      file('audit-keys.json'),
      await (await ask(broker, '/.well-known/audit-jwks.json')).text(),
    );
    await writeFile(file('checkpoint.txt'), newest?.jws ?? '');
  });
  const verify = async (name: string): Promise<{ code: unknown; out: string }> => {
    const words = ['audit', 'verify', file(name), '--keys', file('audit-keys.json')];
    const anchored = [...words, '--anchor', file('checkpoint.txt')];
    return promisify(execFile)(process.execPath, [CLI, ...anchored]).then(
      ({ stdout }) => ({ code: 0, out: stdout }),
      ({ code, stdout }: { code: unknown; stdout: string }) => ({ code, out: stdout }),
    );
  };
  expect(await verify('audit.ndjson')).toMatchObject({
    code: 0,
    out: expect.stringContaining('the anchor shows'),
  });
  expect(await verify('short.ndjson')).toMatchObject({ code: 1, out: expect.stringContaining('FAULT') });
});

it('a control database from before the revocation of its active key: the broker starts, says why it makes no ticket, and the API mends it', async () => {
  const control = join(home.folder, 'control.db');
  const backup = join(home.folder, 'backup.db');
  const revoke = async (broker: BrokerProcess, kid: string | undefined) =>
    (await ask(broker, `/admin/keys/${kid}/revoke`, { method: 'POST' })).status;
  const kid = await withBroker({ KEK: NEW_KEK }, async (broker) => {
    await rowsOf(control, `VACUUM INTO '${backup}'`);
    const [active] = await kidsAt(broker);
    // No agent worker answers, so its command waits.
    expect(await revoke(broker, active)).toBe(202);
    return active;
  });
  for (const left of ['-wal', '-shm']) await rm(control + left, { force: true });
  await copyFile(backup, control);

  await withBroker({ KEK: NEW_KEK }, async (broker) => {
    expect((await mintAt(broker.url, home.token)).status).toBe(503);
    const ready = await ask(broker, '/readyz');
    expect([ready.status, await ready.text()]).toEqual([
      503,
      expect.stringContaining(`key ${kid} is revoked in the record database: revoke it here, too`),
    ]);
    expect(await revoke(broker, kid)).toBe(202);
    expect((await mintAt(broker.url, home.token)).status).toBe(201);
    expect(await kidsAt(broker)).not.toContain(kid);
    const rotated = await fetch(`${broker.url}/admin/keys/rotate`, {
      method: 'POST',
      headers: {
        ...basic(home.token.clientId, home.token.clientSecret),
        'content-type': 'application/json',
      },
      body: '{}',
    });
    expect(rotated.status).toBe(201);
  });
});
