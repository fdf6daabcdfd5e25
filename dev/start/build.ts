import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { ROOT } from '../quiet-environment.ts';

/**
 * Builds both workers; turbo answers from its cache what did not change. Rejects with what the build had to say, or
 * with the reason of `stop` once the interrupted build is gone.
 */
export async function build(env: NodeJS.ProcessEnv, stop: AbortSignal): Promise<void> {
  stop.throwIfAborted();
  const turbo = spawn('turbo', ['run', 'build', '--output-logs=errors-only'], {
    cwd: ROOT,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  stop.addEventListener('abort', () => turbo.kill(), { once: true });
  const said = Promise.all([text(turbo.stdout), text(turbo.stderr)]);
  const [code] = await once(turbo, 'close');
  stop.throwIfAborted();
  if (code !== 0) throw new Error(`${(await said).join('').trimEnd()}\n\nthe build failed`);
}
