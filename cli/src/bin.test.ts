import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { signedExport } from '../test/signed-export.ts';

const ROOT = join(import.meta.dirname, '../..');

let folder: string;
let keysUrl: string;
const server = createServer();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'agent-ticket-cli-'));
  const { lines, jws, keySet } = await signedExport();
  await writeFile(`${folder}/good.ndjson`, `${lines.join('\n')}\n`);
  await writeFile(`${folder}/altered.ndjson`, lines.join('\n').replace('issued', 'denied'));
  const odd = await signedExport('a\u2028b\u2029c\u0085d');
  await writeFile(`${folder}/odd.ndjson`, odd.lines.join('\n'));
  await writeFile(`${folder}/odd-keys.json`, JSON.stringify(odd.keySet));
  await writeFile(`${folder}/keys.json`, JSON.stringify(keySet));
  await writeFile(`${folder}/anchor.txt`, jws);
  server.on('request', (_request, response) => response.end(JSON.stringify(keySet)));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  keysUrl = typeof address === 'object' ? `http://127.0.0.1:${address?.port}/keys` : '';
});
afterAll(async () => {
  server.close();
  await rm(folder, { recursive: true });
});

/** As somebody with a clone runs it: npx finds the Node of the install before any other. It takes seconds to start. */
const BY_NPX = ['npx', '--no', '--', 'agent-ticket'] as const;
const BY_NODE = [process.execPath, join(import.meta.dirname, 'node.ts')] as const;

const run = ([program, ...before]: readonly [string, ...string[]], args: readonly string[]) =>
  new Promise<{ code: unknown; out: string; err: string }>((resolve) => {
    const words = args.map((word) => word.replace('FOLDER', folder).replace('KEYS', keysUrl));
    execFile(program, [...before, ...words], { cwd: ROOT }, (error, out, err) =>
      resolve({ code: error?.code ?? 0, out, err: err.replaceAll(/^npm warn.*\n/gm, '') }),
    );
  });

const GOOD = ['audit', 'verify', 'FOLDER/good.ndjson'];

it('npx agent-ticket is found, and ends as the command does', async () => {
  expect(await run(BY_NPX, ['--help'])).toMatchObject({ code: 0, err: '' });
  expect(await run(BY_NPX, [])).toMatchObject({ code: 2, out: '' });
});

describe('agent-ticket', () => {
  it.each([
    ['its usage', ['--help'], 0, 'Usage: agent-ticket'],
    ['the usage of a command', ['audit', 'verify', '--help'], 0, '--anchor'],
    ['that an export is good', [...GOOD, '--keys', 'FOLDER/keys.json'], 0, 'content  ok'],
    [
      'it with an anchor',
      [...GOOD, '--keys', 'FOLDER/keys.json', '--anchor', 'FOLDER/anchor.txt'],
      0,
      'the anchor shows',
    ],
    [
      'it of lines with separators of other kinds in them',
      ['audit', 'verify', 'FOLDER/odd.ndjson', '--keys', 'FOLDER/odd-keys.json'],
      0,
      '2 events from number 1 on, 1 checkpoints',
    ],
    ['it with keys from a URL, as JSON', [...GOOD, '--keys', 'KEYS', '--json'], 0, '"sound":true'],
    [
      'that an export was altered',
      ['audit', 'verify', 'FOLDER/altered.ndjson', '--keys', 'FOLDER/keys.json'],
      1,
      'FAULT',
    ],
  ])('says %s', async (_what, args, code, said) => {
    expect(await run(BY_NODE, args)).toEqual({ code, out: expect.stringContaining(said), err: '' });
  });

  it.each([
    ['nothing to do', [], 'Commands:'],
    ['an option that it does not know', [...GOOD, '--key', 'x'], '--key'],
    [
      'an export that is not there',
      ['audit', 'verify', 'FOLDER/gone', '--keys', 'FOLDER/keys.json'],
      'ENOENT',
    ],
    ['keys that are not there', [...GOOD, '--keys', 'FOLDER/gone'], 'ENOENT'],
    ['keys from where nobody answers', [...GOOD, '--keys', 'http://127.0.0.1:9/keys'], 'does not answer'],
  ])('with %s says what to do on its error output, and ends with 2', async (_what, args, said) => {
    expect(await run(BY_NODE, args)).toEqual({ code: 2, out: '', err: expect.stringContaining(said) });
  });
});

it('follows no redirect with a credential', async () => {
  const asked: (string | undefined)[] = [];
  const elsewhere = createServer((request, response) => {
    asked.push(request.headers.authorization);
    response.writeHead(307, { location: `${keysUrl}/elsewhere` }).end();
  });
  await new Promise<void>((resolve) => elsewhere.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void elsewhere.close());
  const address = elsewhere.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  let redirected = 0;
  server.on('request', ({ url }) => {
    redirected += url?.endsWith('/elsewhere') === true ? 1 : 0;
  });
  vi.stubEnv('AGENT_TICKET_BROKER', `http://127.0.0.1:${port}`);
  vi.stubEnv('AGENT_TICKET_TOKEN', 'secret');
  onTestFinished(() => {
    vi.unstubAllEnvs();
  });
  expect(await run(BY_NODE, ['me'])).toMatchObject({ code: 2, err: expect.stringContaining('redirect') });
  expect(asked).toEqual(['Bearer secret']);
  expect(redirected).toBe(0);
});
