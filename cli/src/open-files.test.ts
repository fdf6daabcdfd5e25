import { spawnSync } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, it, onTestFinished, vi } from 'vitest';
import { lockPrivate, openLines, readPrivate, writePrivate } from './open-files.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'agent-ticket-files-'));
  vi.stubEnv('XDG_CONFIG_HOME', folder);
  onTestFinished(() => rm(folder, { recursive: true }));
  onTestFinished(() => {
    vi.unstubAllEnvs();
  });
});

it('a private file is its owner’s alone, and replaces the one before as a whole', async () => {
  expect(await readPrivate('a.json')).toBeUndefined();
  await writePrivate('a.json', 'one');
  const path = await writePrivate('a.json', 'two');
  expect(path).toBe(join(folder, 'agent-ticket', 'a.json'));
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect((await stat(join(folder, 'agent-ticket'))).mode & 0o777).toBe(0o700);
  expect(await readPrivate('a.json')).toBe('two');
});

it.each([0o640, 0o604, 0o660, 0o644])(
  'a private file of mode %o is refused, without its content',
  async (mode) => {
    const path = await writePrivate('a.json', 's3cret');
    await chmod(path, mode);
    const error = await readPrivate('a.json').catch((caught: unknown) => caught);
    expect(String(error)).toContain(`chmod 600 ${path}`);
    expect(String(error)).not.toContain('s3cret');
  },
);

it('a file of lines that is opened goes on after the last line that is kept', async () => {
  const path = join(folder, 'log');
  const first = await openLines(path, () => true);
  expect(first.last).toBeUndefined();
  await first.append('kept 1\nkept 2\nother\ncut o');
  await first.close();
  const second = await openLines(path, (line) => line.startsWith('kept'));
  expect(second.last).toBe('kept 2');
  await second.append('next\n');
  await second.close();
  expect(await readFile(path, 'utf8')).toBe('kept 1\nkept 2\nnext\n');
});

it('a line longer than one read is one line', async () => {
  const path = join(folder, 'log');
  const long = 'x'.repeat(200_000);
  const first = await openLines(path, () => true);
  await first.append(`kept\n${long}\n`);
  await first.close();
  const whole = await openLines(path, () => true);
  expect(whole.last).toBe(long);
  await whole.close();
  const cut = await openLines(path, (line) => line === 'kept');
  expect(cut.last).toBe('kept');
  await cut.close();
  expect((await stat(path)).size).toBe('kept\n'.length);
});

it.each(['a letter\nto somebody\n', 'no line'])(
  'a file that has something else alone stays as it is: %j',
  async (text) => {
    const path = join(folder, 'letter');
    await writeFile(path, text);
    await expect(openLines(path, (line) => line.startsWith('kept'))).rejects.toThrow('Name another file');
    expect(await readFile(path, 'utf8')).toBe(text);
  },
);

it('a file of lines in a folder that is not there says so', async () => {
  await expect(openLines(join(folder, 'gone', 'log'), () => true)).rejects.toThrow('(ENOENT)');
});

it('a pipe in place of a profile is refused, and not waited for', async () => {
  const path = await writePrivate('pipe.json', '');
  await rm(path);
  spawnSync('mkfifo', ['-m', '600', path]);
  await expect(readPrivate('pipe.json')).rejects.toThrow('is no file');
  await rm(path);
});

it('one process at a time works under a lock', async () => {
  const seen: string[] = [];
  const work = (name: string) => async () => {
    seen.push(`${name} begins`);
    await readPrivate('a.json');
    seen.push(`${name} ends`);
  };
  await Promise.all([lockPrivate('a.json', work('one')), lockPrivate('a.json', work('two'))]);
  expect(seen[1]?.split(' ')[0]).toBe(seen[0]?.split(' ')[0]);
  expect(seen).toHaveLength(4);
});

it('of many processes that find a stale lock, one at a time holds it', async () => {
  const path = await writePrivate('a.json', 'content');
  await writeFile(`${path}.lock`, String(spawnSync(process.execPath, ['--version']).pid));
  let [holders, most, done] = [0, 0, 0];
  const work = async () => {
    holders += 1;
    most = Math.max(most, holders);
    await readPrivate('a.json');
    holders -= 1;
    done += 1;
  };
  await Promise.all(Array.from({ length: 20 }, () => lockPrivate('a.json', work)));
  expect([most, done]).toEqual([1, 20]);
});

it('a holder that took too long does not remove the lock of the next holder', async () => {
  const path = await writePrivate('a.json', 'content');
  await lockPrivate('a.json', async () => {
    await writeFile(`${path}.lock`, `${process.pid} of another`);
  });
  expect(await readFile(`${path}.lock`, 'utf8')).toBe(`${process.pid} of another`);
  await rm(`${path}.lock`);
});

it('the lock of a process that has ended delays no other process', async () => {
  const path = await writePrivate('a.json', 'content');
  const ended = spawnSync(process.execPath, ['--version']).pid;
  await writeFile(`${path}.lock`, String(ended));
  expect(await lockPrivate('a.json', async () => 'done')).toBe('done');
  await expect(stat(`${path}.lock`)).rejects.toThrow('ENOENT');
});

it('work that fails releases its lock', async () => {
  const failed = lockPrivate('a.json', async () => {
    throw new Error('no');
  });
  await expect(failed).rejects.toThrow('no');
  expect(await lockPrivate('a.json', async () => 'done')).toBe('done');
});
