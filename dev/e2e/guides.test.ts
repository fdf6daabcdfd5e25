import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { expect, inject, it } from 'vitest';
import { codeBlocks } from '../check/markdown.ts';
import { ROOT } from '../quiet-environment.ts';

/** Runs the whole programs of the guides unchanged. */

const run = promisify(execFile);
const PYTHONS = ['/usr/bin/python3', 'python3'];

async function programIn(path: string): Promise<string> {
  const blocks = codeBlocks([{ path, text: await readFile(`${ROOT}${path}`, 'utf8') }]);
  const [program, ...others] = blocks.filter(({ words }) => words.includes('runs'));
  if (program === undefined || others.length > 0) throw new Error(`${path} has not exactly one program`);
  return program.code;
}

function environment(): NodeJS.ProcessEnv {
  const { broker, serviceToken } = inject('stack');
  return { PATH: process.env.PATH, BROKER: broker, CLIENT_SECRET: serviceToken.clientSecret };
}

/** A Python that has the package of the guide. Not every machine has one, and the tests bring none. */
async function findPython(): Promise<string | undefined> {
  for (const python of PYTHONS) {
    const found = await run(python, ['-c', 'import websockets']).then(
      () => true,
      () => false,
    );
    if (found) return python;
  }
  return undefined;
}

const python = await findPython();

it('the job of the Node guide counts', async () => {
  const program = await programIn('docs/client-node.md');
  const args = ['--input-type=module', '-e', program];
  const { stdout } = await run(process.execPath, args, { env: environment() });
  expect(stdout).toMatch(/^count \d+\n$/);
});

it('the job of the Node guide ends badly where it gets no ticket', async () => {
  const program = await programIn('docs/client-node.md');
  const env = { ...environment(), CLIENT_SECRET: 'atk_wrong' };
  const ended = run(process.execPath, ['--input-type=module', '-e', program], { env });
  await expect(ended).rejects.toMatchObject({ stderr: expect.stringContaining('no ticket: 401') });
});

it.skipIf(python === undefined)('the client of the Python guide counts', async () => {
  const program = await programIn('docs/client-python.md');
  const { stdout } = await run(python ?? '', ['-c', program], { env: environment() });
  expect(stdout).toMatch(/^count \d+\n$/);
});
