import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, it } from 'vitest';
import { quietEnvironment, ROOT } from './quiet-environment.ts';

/** `node`, the one that runs this test, with quiet.ts around a script. */
function quiet(script: string): ChildProcess {
  const args = [`${ROOT}dev/quiet.ts`, process.execPath, '-e', script];
  return spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] });
}

it('passes on the exit code', async () => {
  expect(await once(quiet('process.exit(7)'), 'exit')).toEqual([7, null]);
});

it('passes on a signal, both ways', async () => {
  const child = quiet('console.log("up"); setInterval(() => {}, 1000)');
  if (child.stdout) await once(child.stdout, 'data');
  child.kill('SIGTERM');
  expect(await once(child, 'exit')).toEqual([null, 'SIGTERM']);
});

it('lets the command handle a signal itself', async () => {
  const child = quiet(
    'process.on("SIGINT", () => process.exit(5)); console.log("up"); setInterval(() => {}, 1000)',
  );
  if (child.stdout) await once(child.stdout, 'data');
  child.kill('SIGINT');
  expect(await once(child, 'exit')).toEqual([5, null]);
});

it('a missing command is 127', async () => {
  const child = spawn(process.execPath, [`${ROOT}dev/quiet.ts`, 'no-such-command'], { stdio: 'ignore' });
  expect(await once(child, 'exit')).toEqual([127, null]);
});

it('is quiet unless variables of the user say otherwise', () => {
  expect(quietEnvironment({ PATH: '/bin' })).toMatchObject({
    DO_NOT_TRACK: '1',
    WRANGLER_SEND_METRICS: 'false',
  });
  expect(quietEnvironment({ WRANGLER_LOG_PATH: 'logs' })).toMatchObject({ WRANGLER_LOG_PATH: 'logs' });
});
