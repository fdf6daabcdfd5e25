import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { keepSchema } from './keep-schema.ts';

async function newFolder() {
  const folder = await mkdtemp(join(tmpdir(), 'agent-ticket-schema-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const [file, stateDir] = [join(folder, 'schema.json'), join(folder, 'state')];
  const startAnew = `the data in ${folder} was made with another database schema: delete that folder to start anew`;
  return { file, stateDir, startAnew };
}

it('what was made with the present schema is gone on with', async () => {
  const { file, stateDir } = await newFolder();
  await keepSchema(file, stateDir);
  await mkdir(stateDir);
  await expect(keepSchema(file, stateDir)).resolves.toBeUndefined();
});

it('a migration that came since is no other schema', async () => {
  const { file, stateDir } = await newFolder();
  await keepSchema(file, stateDir);
  await mkdir(stateDir);
  const { 'record/0000_first.sql': later, ...kept } = JSON.parse(await readFile(file, 'utf8'));
  await writeFile(file, JSON.stringify(kept));
  await keepSchema(file, stateDir);
  expect(JSON.parse(await readFile(file, 'utf8'))).toEqual({ ...kept, 'record/0000_first.sql': later });
});

it.each([
  ['a migration that read otherwise then', '{"control/0000_first.sql": "00"}'],
  ['a migration that is gone', '{"control/0000_other.sql": "00"}'],
  ['nothing that can be read', '{'],
  ['nothing at all', undefined],
])('data with %s is not touched, and how to start anew is said', async (_what, text) => {
  const { file, stateDir, startAnew } = await newFolder();
  await mkdir(stateDir);
  if (text !== undefined) await writeFile(file, text);
  await expect(keepSchema(file, stateDir)).rejects.toThrow(startAnew);
});
