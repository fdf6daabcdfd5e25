import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
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
    const [socket = '', service = '', backup = '', timer = ''] = blocks
      .filter(({ language }) => language === 'ini')
      .map(({ text }) => text);
    const backupName = join(folder, 'agent-ticket-backup');
    await writeFile(`${backupName}.service`, `${backup}\n`);
    await writeFile(`${backupName}.timer`, `${timer}\n`);
    const name = join(folder, 'agent-ticket-broker');
    await writeFile(`${name}.socket`, `${socket}\n`);
    // A machine may have Node elsewhere. An instance has a file of its own here, since nothing is installed.
    const own = `${service.replace('/usr/bin/node ', `${process.execPath} `)}\n`;
    for (const end of ['@', '@a']) await writeFile(`${name}${end}.service`, own);
    const units = [`${name}.socket`, `${name}@a.service`, `${backupName}.service`, `${backupName}.timer`];
    const verified = await run('systemd-analyze', ['verify', ...units]);
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

it.skipIf(!hasProgram('sqlite3', 'sqlite3', ['-version']))(
  'the command of the backup copies both databases, also over the copies of a week ago',
  async () => {
    const state = await mkdtemp(join(tmpdir(), 'agent-ticket-state-'));
    onTestFinished(() => rm(state, { recursive: true }));
    const text = (await blocksOf('docs/deploy/node-service.md')).map((block) => block.text).join('\n');
    const [, quoted = ''] = /^ExecStart=\/bin\/sh -ec '(.*)'$/m.exec(text) ?? [];
    // As systemd reads it (systemd.service(5)).
    const command = quoted
      .replaceAll('%S', state)
      .replaceAll('%%', '%')
      .replaceAll('$$', '$')
      .replaceAll("\\'", "'");
    const folder = join(state, 'agent-ticket');
    const copies = join(state, 'agent-ticket-backup');
    for (const each of [folder, copies]) await mkdir(each);
    const sql = async (file: string, words: string) => (await run('sqlite3', [file, words])).stdout.trim();
    for (const name of ['control', 'record'])
      await sql(join(folder, `${name}.db`), `CREATE TABLE t (name); INSERT INTO t VALUES ('${name}')`);
    for (let night = 0; night < 2; night += 1) await run('/bin/sh', ['-ec', command], { cwd: folder });
    const made = (await readdir(copies)).toSorted();
    expect(made).toEqual([
      expect.stringMatching(/^control-\w+\.db$/),
      expect.stringMatching(/^record-\w+\.db$/),
    ]);
    const rows = await Promise.all(made.map((name) => sql(join(copies, name), 'SELECT name FROM t')));
    expect(rows).toEqual(['control', 'record']);
  },
);
