import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { build } from './build.ts';

/** An environment in which `turbo` is this script for `sh`. */
async function withTurbo(script: string): Promise<NodeJS.ProcessEnv> {
  const folder = await mkdtemp(join(tmpdir(), 'agent-ticket-build-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, 'turbo'), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return { PATH: `${folder}:${dirname(process.execPath)}:/usr/bin:/bin` };
}

const never = new AbortController().signal;

it('a build that succeeds prints nothing', async () => {
  const env = await withTurbo('echo fine; [ "$*" = "run build --output-logs=errors-only" ]');
  await expect(build(env, never)).resolves.toBeUndefined();
});

it('a build that fails is an error with its whole output', async () => {
  const env = await withTurbo('echo "src/index.ts:1 is wrong"; echo "task failed" >&2; exit 1');
  await expect(build(env, never)).rejects.toThrow(
    /^src\/index\.ts:1 is wrong\ntask failed\n\nthe build failed$/,
  );
});

it('a build without its tool is an error that names it', async () => {
  await expect(build({ PATH: '/nowhere' }, never)).rejects.toThrow(/turbo/);
});

it('an interrupted build has exited when the caller learns of it', async () => {
  const controller = new AbortController();
  const env = await withTurbo('exec sleep 600');
  const building = build(env, controller.signal);
  controller.abort('SIGINT');
  await expect(building).rejects.toBe('SIGINT');
  await expect(build(env, controller.signal)).rejects.toBe('SIGINT');
});
