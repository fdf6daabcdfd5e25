import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { keepSecrets } from './secrets.ts';

async function emptyFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'agent-ticket-secrets-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  return folder;
}

it('secrets are made once, kept, and the owner alone reads them', async () => {
  const folder = await emptyFolder();
  const file = join(folder, 'new', 'secrets.json');
  const made = await keepSecrets(file, join(folder, 'state'));
  expect(await keepSecrets(file, join(folder, 'state'))).toEqual(made);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect(await readdir(join(folder, 'new'))).toEqual(['secrets.json']);
});

it('any number of starts at once get the same secrets', async () => {
  const folder = await emptyFolder();
  const file = join(folder, 'secrets.json');
  const starts = Array.from({ length: 20 }, () => keepSecrets(file, join(folder, 'state')));
  expect(new Set((await Promise.all(starts)).map((secrets) => JSON.stringify(secrets))).size).toBe(1);
});

it.each(['', '{', '{}', '{"tokenPepper": "SECRETPEPPER"'])(
  'a file with %j in it is an error, and stays',
  async (text) => {
    const folder = await emptyFolder();
    const file = join(folder, 'secrets.json');
    await writeFile(file, text);
    const error: unknown = await keepSecrets(file, join(folder, 'state')).catch((thrown: unknown) => thrown);
    expect(error).toEqual(new Error(`${file} is damaged: delete ${folder} to start anew`));
    expect(await readFile(file, 'utf8')).toBe(text);
  },
);

it('makes no new secrets for data that was sealed with others', async () => {
  const folder = await emptyFolder();
  const file = join(folder, 'secrets.json');
  await expect(keepSecrets(file, folder)).rejects.toThrow(
    `${file} is gone, and nothing else opens ${folder}`,
  );
});
