import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, it, onTestFinished } from 'vitest';
import { ROOT } from '../quiet-environment.ts';

/** A process that prints `up`, then `requested` at the first signal, and does not exit by itself. */
async function stubborn(sameSignalMs: number) {
  const script = `import { shutdownOnSignal } from ${JSON.stringify(`${ROOT}cli/src/open-shutdown.ts`)};
    const shutdown = shutdownOnSignal(${sameSignalMs});
    process.on('SIGINT', () => process.exit(99));
    shutdown.listenAlone();
    shutdown.requested.addEventListener('abort', () => console.log('requested'));
    process.on('SIGUSR2', () => process.exit(0));
    setInterval(() => {}, 1000);
    console.log('up');`;
  const args = ['--input-type=module', '-e', script];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  const printed = async (): Promise<string> => String((await once(child.stdout, 'data'))[0]).trim();
  expect(await printed()).toBe('up');
  return { child, printed, ended: once(child, 'exit') };
}

it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
  '%s requests a shutdown, also when other code listened',
  async (signal) => {
    const { child, printed } = await stubborn(60_000);
    child.kill(signal);
    expect(await printed()).toBe('requested');
  },
);

it('the same signal again within the time counts once', async () => {
  const { child, printed, ended } = await stubborn(60_000);
  child.kill('SIGINT');
  expect(await printed()).toBe('requested');
  child.kill('SIGINT');
  child.kill('SIGUSR2');
  expect(await ended).toEqual([0, null]);
});

it('another signal later exits at once', async () => {
  const { child, printed, ended } = await stubborn(0);
  child.kill('SIGINT');
  expect(await printed()).toBe('requested');
  child.kill('SIGTERM');
  expect(await ended).toEqual([143, null]);
});
