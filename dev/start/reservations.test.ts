import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, it, onTestFinished, vi } from 'vitest';
import { ROOT } from '../quiet-environment.ts';
import { reserveFolder } from './reservations.ts';

async function emptyFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'agent-ticket-folder-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  return folder;
}

beforeEach(async () => {
  // The socket of a killed process is deleted with the folder.
  vi.stubEnv('TMPDIR', await emptyFolder());
  onTestFinished(() => {
    vi.unstubAllEnvs();
  });
});

/** A process that has reserved a folder. */
async function startOwner(folder: string) {
  const script = `import { reserveFolder } from ${JSON.stringify(`${ROOT}dev/start/reservations.ts`)};
    await reserveFolder(${JSON.stringify(folder)}); console.log('reserved'); setInterval(() => {}, 1000);`;
  const args = ['--input-type=module', '-e', script];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  await once(child.stdout, 'data');
  return child;
}

it('of concurrent reservations of a folder one succeeds, and the others name the folder', async () => {
  const folder = await emptyFolder();
  const tries = await Promise.allSettled(Array.from({ length: 10 }, () => reserveFolder(folder)));
  const refused = tries.filter((one) => one.status === 'rejected');
  expect(refused).toHaveLength(9);
  for (const { reason } of refused)
    expect(reason).toEqual(new Error(`another start runs on ${folder}: stop it, or set DEV_DIR`));
});

it('folders are independent', async () => {
  await reserveFolder(await emptyFolder());
  await expect(reserveFolder(await emptyFolder())).resolves.toBeUndefined();
});

it.each(['SIGTERM', 'SIGKILL'] as const)(
  'a folder is free again after %s ended its process',
  async (signal) => {
    const folder = await emptyFolder();
    const child = await startOwner(folder);
    await expect(reserveFolder(folder)).rejects.toThrow('another start runs on');
    child.kill(signal);
    await once(child, 'exit');
    await expect(reserveFolder(folder)).resolves.toBeUndefined();
  },
);
