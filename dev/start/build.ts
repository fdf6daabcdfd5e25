import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { ROOT } from '../quiet-environment.ts';

/**
 * Builds both workers; turbo answers from its cache for unchanged sources. Rejects with the output of the build, or with
 * the reason of `stop` after the interrupted build has exited.
 */
export async function build(env: NodeJS.ProcessEnv, stop: AbortSignal): Promise<void> {
  stop.throwIfAborted();
  const turbo = spawn('turbo', ['run', 'build', '--output-logs=errors-only'], {
    cwd: ROOT,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  stop.addEventListener('abort', () => turbo.kill(), { once: true });
  const output = Promise.all([text(turbo.stdout), text(turbo.stderr)]);
  const [code] = await once(turbo, 'close');
  stop.throwIfAborted();
  if (code !== 0) throw new Error(`${(await output).join('').trimEnd()}\n\nthe build failed`);
}
