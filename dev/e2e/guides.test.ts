import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { codeBlocks } from '../check/markdown.ts';
import { findPython, findPythonForClient } from '../find-python.ts';
import { ROOT } from '../quiet-environment.ts';
import { blocksOf, localText } from './documents.ts';
import { jobWith } from './github.ts';

/** Runs the whole programs of the guides unchanged. */

const run = promisify(execFile);

async function programsIn(path: string): Promise<string[]> {
  const blocks = codeBlocks([{ path, text: await readFile(`${ROOT}${path}`, 'utf8') }]);
  return blocks.filter(({ words }) => words.includes('runs')).map(({ code }) => code);
}

async function programIn(path: string): Promise<string> {
  const [program, ...others] = await programsIn(path);
  if (program === undefined || others.length > 0) throw new Error(`${path} has not exactly one program`);
  return program;
}

async function runPython(program: string | undefined, more: NodeJS.ProcessEnv = {}): Promise<string> {
  const env = { ...environment(), PYTHONPATH: `${ROOT}python/src`, PYTHONDONTWRITEBYTECODE: '1', ...more };
  const { stdout } = await run(withClient ?? '', ['-c', program ?? ''], { env });
  return stdout;
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

const withClient = await findPythonForClient(console.warn);
const withAuthlib = await findPython(
  ['authlib.integrations.requests_client'],
  'python3-authlib python3-requests',
  console.warn,
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

describe.skipIf(withClient === undefined)('the Python guide', () => {
  it('counts with a service token', async () => {
    const [program] = await programsIn('docs/clients/python.md');
    expect(await runPython(program)).toMatch(/^count \d+\n$/);
  });

  it('says that a secret is wrong, without showing it', async () => {
    const [program] = await programsIn('docs/clients/python.md');
    const ended = runPython(program, { CLIENT_SECRET: 'atk_wrong' });
    const stderr = 'wrong or revoked credential: 401 UNAUTHORIZED, request ';
    await expect(ended).rejects.toMatchObject({ stderr: expect.stringContaining(stderr) });
    await expect(ended).rejects.not.toMatchObject({ stderr: expect.stringContaining('atk_wrong') });
  });

  it('connects a CI job by the identity that its platform gives it', async () => {
    const [, program] = await programsIn('docs/clients/python.md');
    expect(await runPython(program, await jobWith({}))).toBe(
      'caller oidc:github:repo:octo-org@65/octo-repo@74:environment:production\n',
    );
  });

  it('ends a CI job of another repository', async () => {
    const [, program] = await programsIn('docs/clients/python.md');
    const ended = runPython(program, await jobWith({ repository_id: '75' }));
    await expect(ended).rejects.toMatchObject({ stderr: expect.stringContaining('SignInRequired: 401') });
  });
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
