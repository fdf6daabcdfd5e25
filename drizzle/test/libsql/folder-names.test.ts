import { execFile } from 'node:child_process';
import { cpSync, readdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { temporaryFolder } from './folder.ts';

const PACKAGE = join(import.meta.dirname, '../..');
const parent = temporaryFolder();
const PARTS = readdirSync(PACKAGE).filter((name) => !['node_modules', 'test', 'dist'].includes(name));

it.each(['plain', 'two words 50% ü'])('finds its migrations in a folder called "%s"', async (name) => {
  const folder = join(parent, name);
  for (const part of PARTS) cpSync(join(PACKAGE, part), join(folder, 'drizzle', part), { recursive: true });
  symlinkSync(join(PACKAGE, '../node_modules'), join(folder, 'node_modules'));
  const script = `
    import { openControl, openRecord } from './open-libsql.ts';
    for (const open of [openControl, openRecord]) await (await open('file::memory:')).close();
    console.log('opened');`;
  const run = promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script], {
    cwd: join(folder, 'drizzle'),
  });
  await expect(run).resolves.toMatchObject({ stdout: 'opened\n' });
});
