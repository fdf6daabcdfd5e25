import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, inject, it, onTestFinished } from 'vitest';
import { codeBlocks } from '../check/markdown.ts';
import { ROOT } from '../quiet-environment.ts';
import { blocksOf, localText } from './documents.ts';

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
  const { broker, agentWorker, serviceToken } = inject('stack');
  return {
    PATH: process.env.PATH,
    NO_PROXY: '127.0.0.1',
    BROKER: broker,
    AGENT_WORKER: agentWorker,
    CLIENT_ID: serviceToken.clientId,
    CLIENT_SECRET: serviceToken.clientSecret,
  };
}

/**
 * The command of a Python that has a module; `undefined`, with a warning, where the machine has none. Debian has both
 * modules of the guides, and CI installs them.
 */
async function findPython(module: string, debian: string): Promise<string | undefined> {
  for (const python of PYTHONS)
    if (await run(python, ['-c', `import ${module}`]).then(...IS_FOUND)) return python;
  const missing = `no Python has ${module}: apt-get install ${debian}`;
  if (process.env.CI === 'true') throw new Error(missing);
  console.warn(`${missing}; its test is skipped`);
  return undefined;
}
const IS_FOUND = [() => true, () => false] as const;

const withWebsockets = await findPython('websockets', 'python3-websockets');
const withAuthlib = await findPython(
  'authlib.integrations.requests_client',
  'python3-authlib python3-requests',
);

it('the job of the Node guide counts', async () => {
  const program = await programIn('docs/clients/node.md');
  const args = ['--input-type=module', '-e', program];
  const { stdout } = await run(process.execPath, args, { env: environment() });
  expect(stdout).toMatch(/^count \d+\n$/);
});

it('the job of the Node guide ends badly where it gets no ticket', async () => {
  const program = await programIn('docs/clients/node.md');
  const env = { ...environment(), CLIENT_SECRET: 'atk_wrong' };
  const ended = run(process.execPath, ['--input-type=module', '-e', program], { env });
  await expect(ended).rejects.toMatchObject({ stderr: expect.stringContaining('no ticket: 401') });
});

it.skipIf(withWebsockets === undefined)('the client of the Python guide counts', async () => {
  const program = await programIn('docs/clients/python.md');
  const { stdout } = await run(withWebsockets ?? '', ['-c', program], { env: environment() });
  expect(stdout).toMatch(/^count \d+\n$/);
});

it.skipIf(withAuthlib === undefined)('Authlib gets, introspects and revokes a ticket', async () => {
  const program = await programIn('docs/identities/oauth.md');
  const { stdout } = await run(withAuthlib ?? '', ['-c', program], { env: environment() });
  expect(stdout).toBe('before: True\nafter: False\n');
});

it.skipIf(withAuthlib === undefined)('Authlib understands that its secret is wrong', async () => {
  const program = await programIn('docs/identities/oauth.md');
  const env = { ...environment(), CLIENT_SECRET: 'atk_wrong' };
  const ended = run(withAuthlib ?? '', ['-c', program], { env });
  await expect(ended).rejects.toMatchObject({
    stderr: expect.stringContaining('OAuthError: invalid_client'),
  });
});

it('the loader for Next.js and SvelteKit has the messages of a chat, and no messages without a sign-in', async () => {
  const blocks = await blocksOf('docs/clients/react.md');
  const loader = blocks.find(({ text }) => text.includes('export async function loadMessages'));
  const folder = await mkdtemp(join(tmpdir(), 'agent-ticket-loader-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, 'loader.ts'), localText(loader?.text ?? ''));
  const { loadMessages } = await import(join(folder, 'loader.ts'));
  const made = await fetch(inject('stack').auth0.tokenUrl, {
    method: 'POST',
    body: JSON.stringify({ sub: 'auth0|loader' }),
  });
  const { token } = await made.json();
  expect(await loadMessages(token, 'loaded')).toEqual([]);
  expect(await loadMessages(`${token}x`, 'loaded')).toBeUndefined();
});
