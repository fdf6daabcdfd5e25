import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { checkMigrations } from './migrations.ts';

async function newFolder() {
  const folder = await mkdtemp(join(tmpdir(), 'agent-ticket-schema-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const [file, stateDir] = [join(folder, 'schema.json'), join(folder, 'state')];
  const startAnew = `the data in ${folder} was made with another database schema: delete that folder to start anew`;
  return { file, stateDir, startAnew };
}

it('data of the present schema passes', async () => {
  const { file, stateDir } = await newFolder();
  await checkMigrations(file, stateDir);
  await mkdir(stateDir);
  await expect(checkMigrations(file, stateDir)).resolves.toBeUndefined();
});

it('a later migration is recorded and passes', async () => {
  const { file, stateDir } = await newFolder();
  await checkMigrations(file, stateDir);
  await mkdir(stateDir);
  const { 'record/0000_first.sql': later, ...earlier } = JSON.parse(await readFile(file, 'utf8'));
  await writeFile(file, JSON.stringify(earlier));
  await checkMigrations(file, stateDir);
  expect(JSON.parse(await readFile(file, 'utf8'))).toEqual({ ...earlier, 'record/0000_first.sql': later });
});

it.each([
  ['a migration that has changed', '{"control/0000_first.sql": "00"}'],
  ['a migration that is gone', '{"control/0000_other.sql": "00"}'],
  ['a damaged record', '{'],
  ['no record', undefined],
])('data with %s is refused with the remedy', async (_what, text) => {
  const { file, stateDir, startAnew } = await newFolder();
  await mkdir(stateDir);
  if (text !== undefined) await writeFile(file, text);
  await expect(checkMigrations(file, stateDir)).rejects.toThrow(startAnew);
});
