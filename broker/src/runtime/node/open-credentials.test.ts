import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openCredentials } from './open-credentials.ts';

describe('settings from files', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'agent-ticket-credentials-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));
  const open = (env = {}) => openCredentials({ PORT: '1', CREDENTIALS_DIRECTORY: folder, ...env });

  it('are those of the environment, where no folder is named', async () => {
    expect(await openCredentials({ PORT: '1' })).toEqual({ PORT: '1' });
  });

  it('are each file that is named like a setting, without one newline at the end, also through a link', async () => {
    await mkdir(join(folder, '..data'));
    await writeFile(join(folder, '..data', 'KEK'), 'canary\n');
    await symlink(join('..data', 'KEK'), join(folder, 'KEK'));
    await writeFile(join(folder, 'TOKEN_PEPPER'), ' pepper\n\n');
    await writeFile(join(folder, 'readme.txt'), 'none of ours');
    expect(await open()).toEqual({
      PORT: '1',
      CREDENTIALS_DIRECTORY: folder,
      KEK: 'canary',
      TOKEN_PEPPER: ' pepper\n',
    });
  });

  it('may not be in the environment as well, where nobody could say which of the two holds', async () => {
    await writeFile(join(folder, 'KEK'), 'canary');
    await expect(open({ KEK: 'other' })).rejects.toThrow(
      /^KEK: both in the environment and in CREDENTIALS_DIRECTORY$/,
    );
  });

  it.each<[what: string, make: () => Promise<unknown>, message: RegExp]>([
    [
      'a folder that is missing',
      () => rm(folder, { recursive: true }),
      /^CREDENTIALS_DIRECTORY: the folder cannot be read: ENOENT/,
    ],
    [
      'a setting that is a folder',
      () => mkdir(join(folder, 'KEK')),
      /^CREDENTIALS_DIRECTORY: KEK cannot be read: EISDIR/,
    ],
  ])('%s is named', async (_what, make, message) => {
    await make();
    await expect(open()).rejects.toThrow(message);
  });
});
