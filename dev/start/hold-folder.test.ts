import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, it, onTestFinished, vi } from 'vitest';
import { ROOT } from '../quiet-environment.ts';
import { holdFolder } from './hold-folder.ts';

async function emptyFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'agent-ticket-folder-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  return folder;
}

beforeEach(async () => {
  // What a killed process leaves behind goes with the folder.
  vi.stubEnv('TMPDIR', await emptyFolder());
  onTestFinished(() => {
    vi.unstubAllEnvs();
  });
});

/** A process that holds a folder and says so. */
async function holder(folder: string) {
  const script = `import { holdFolder } from ${JSON.stringify(`${ROOT}dev/start/hold-folder.ts`)};
    await holdFolder(${JSON.stringify(folder)}); console.log('held'); setInterval(() => {}, 1000);`;
  const args = ['--input-type=module', '-e', script];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  await once(child.stdout, 'data');
  return child;
}

it('of many that want a folder at once one gets it, and the others are told which', async () => {
  const folder = await emptyFolder();
  const tries = await Promise.allSettled(Array.from({ length: 10 }, () => holdFolder(folder)));
  const refused = tries.filter((one) => one.status === 'rejected');
  expect(refused).toHaveLength(9);
  for (const { reason } of refused)
    expect(reason).toEqual(new Error(`another start runs on ${folder}: stop it, or set DEV_DIR`));
});

it('other folders are free', async () => {
  await holdFolder(await emptyFolder());
  await expect(holdFolder(await emptyFolder())).resolves.toBeUndefined();
});

it.each(['SIGTERM', 'SIGKILL'] as const)(
  'a folder is free again when %s has ended its process',
  async (signal) => {
    const folder = await emptyFolder();
    const child = await holder(folder);
    await expect(holdFolder(folder)).rejects.toThrow('another start runs on');
    child.kill(signal);
    await once(child, 'exit');
    await expect(holdFolder(folder)).resolves.toBeUndefined();
  },
);
