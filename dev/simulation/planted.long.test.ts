import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { PLANTED } from './planted.ts';

/** The simulation finds each fault that the product once had, when the fault is put back into the code. */

const MOST_MS = 30 * 60_000;

it.each(PLANTED.map(({ name }) => name))(
  'finds %s',
  async (name) => {
    const words = ['--seeds', '2000', '--first', '--planted', name];
    const run = promisify(execFile)(process.execPath, [join(import.meta.dirname, 'simulate.ts'), ...words]);
    await expect(run).rejects.toMatchObject({
      code: 1,
      stdout: expect.stringContaining(`--planted ${name}`),
    });
  },
  MOST_MS,
);
