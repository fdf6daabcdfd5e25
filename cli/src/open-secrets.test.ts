import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { callbackKeyOf, loadSecrets } from './open-secrets.ts';

async function emptyFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'agent-ticket-secrets-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  return folder;
}

it('secrets are made once, stored, and readable by the owner alone', async () => {
  const folder = await emptyFolder();
  const file = join(folder, 'new', 'secrets.json');
  const made = await loadSecrets(file, join(folder, 'state'));
  expect(await loadSecrets(file, join(folder, 'state'))).toEqual(made);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect(await readdir(join(folder, 'new'))).toEqual(['secrets.json']);
});

it('the key of callbacks is 32 bytes, the same for stored secrets, and none of them', async () => {
  const file = join(await emptyFolder(), 'secrets.json');
  const made = await loadSecrets(file);
  const key = callbackKeyOf(made);
  expect(Buffer.from(key, 'base64url')).toHaveLength(32);
  expect(callbackKeyOf(await loadSecrets(file))).toBe(key);
  expect(await readFile(file, 'utf8')).not.toContain(key);
});

it('concurrent starts get the same secrets', async () => {
  const folder = await emptyFolder();
  const file = join(folder, 'secrets.json');
  const starts = Array.from({ length: 20 }, () => loadSecrets(file, join(folder, 'state')));
  expect(new Set((await Promise.all(starts)).map((secrets) => JSON.stringify(secrets))).size).toBe(1);
});

it.each(['', '{', '{}', '{"tokenPepper": "SECRETPEPPER"'])(
  'a file with the content %j is an error, and remains',
  async (text) => {
    const folder = await emptyFolder();
    const file = join(folder, 'secrets.json');
    await writeFile(file, text);
    const error: unknown = await loadSecrets(file, join(folder, 'state')).catch((thrown: unknown) => thrown);
    expect(error).toEqual(new Error(`${file} is damaged: delete ${folder} to start anew`));
    expect(await readFile(file, 'utf8')).toBe(text);
  },
);

it('there are no new secrets for data that was sealed with others', async () => {
  const folder = await emptyFolder();
  const file = join(folder, 'secrets.json');
  await expect(loadSecrets(file, folder)).rejects.toThrow(
    `${file} is gone, and nothing else opens ${folder}`,
  );
});
