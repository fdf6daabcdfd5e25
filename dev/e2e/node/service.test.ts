import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it, onTestFinished } from 'vitest';
import { blocksOf } from '../documents.ts';
import { hasProgram } from './programs.ts';

const run = promisify(execFile);

/** In tenths, as `systemd-analyze` takes it; docs/deploy/node-service.md names the same figure. */
const EXPOSURE = 14;

it.skipIf(!hasProgram('systemd-analyze', 'systemd', ['--version']))(
  'the units of docs/deploy/node-service.md are sound, and expose no more than the page says',
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'agent-ticket-units-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const blocks = await blocksOf('docs/deploy/node-service.md');
    const [socket = '', service = ''] = blocks
      .filter(({ language }) => language === 'ini')
      .map(({ text }) => text);
    const name = join(folder, 'agent-ticket-broker');
    await writeFile(`${name}.socket`, `${socket}\n`);
    // A machine may have Node elsewhere. An instance has a file of its own here, since nothing is installed.
    const own = `${service.replace('/usr/bin/node ', `${process.execPath} `)}\n`;
    for (const end of ['@', '@a']) await writeFile(`${name}${end}.service`, own);
    const verified = await run('systemd-analyze', ['verify', `${name}.socket`, `${name}@a.service`]);
    expect(`${verified.stdout}${verified.stderr}`).toBe('');
    const words = [
      'security',
      '--offline=true',
      '--no-pager',
      `--threshold=${EXPOSURE}`,
      `${name}@a.service`,
    ];
    const { stdout } = await run('systemd-analyze', words);
    expect(stdout).toContain(`Overall exposure level for agent-ticket-broker@a.service: ${EXPOSURE / 10}`);
  },
);
