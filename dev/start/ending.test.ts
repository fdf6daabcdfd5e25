import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, it, onTestFinished } from 'vitest';
import { ROOT } from '../quiet-environment.ts';

/** A process that says `up`, then `asked` at the first signal, and does not end by itself. */
async function stubborn(sameWishMs: number) {
  const script = `import { endOnSignal } from ${JSON.stringify(`${ROOT}dev/start/ending.ts`)};
    const ending = endOnSignal(${sameWishMs});
    process.on('SIGINT', () => process.exit(99));
    ending.reclaim();
    ending.wanted.addEventListener('abort', () => console.log('asked'));
    process.on('SIGUSR2', () => process.exit(0));
    setInterval(() => {}, 1000);
    console.log('up');`;
  const args = ['--input-type=module', '-e', script];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  const says = async (): Promise<string> => String((await once(child.stdout, 'data'))[0]).trim();
  expect(await says()).toBe('up');
  return { child, says, ended: once(child, 'exit') };
}

it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
  '%s asks for an end, whoever else listened',
  async (signal) => {
    const { child, says } = await stubborn(60_000);
    child.kill(signal);
    expect(await says()).toBe('asked');
  },
);

it('the same signal at once again is the same wish', async () => {
  const { child, says, ended } = await stubborn(60_000);
  child.kill('SIGINT');
  expect(await says()).toBe('asked');
  child.kill('SIGINT');
  child.kill('SIGUSR2');
  expect(await ended).toEqual([0, null]);
});

it('another signal later ends at once', async () => {
  const { child, says, ended } = await stubborn(0);
  child.kill('SIGINT');
  expect(await says()).toBe('asked');
  child.kill('SIGTERM');
  expect(await ended).toEqual([143, null]);
});
