import { randomUUID } from 'node:crypto';
import {
  constants,
  type FileHandle,
  link,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  unlink,
  writeFile,
} from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { type Lines, UsageError } from './command.ts';
import { hasCode } from './error-code.ts';

/** The permission bits of group and others. Windows has none: there a home folder is its owner's alone. */
const OF_OTHERS = 0o077;

const privatePath = (name: string): string =>
  join(process.env.XDG_CONFIG_HOME || join(homedir(), '.config'), 'agent-ticket', name);

/** See `Terminal.readPrivate`. The file that was checked is the one that is read. */
export async function readPrivate(name: string): Promise<string | undefined> {
  const path = privatePath(name);
  let file: FileHandle;
  try {
    // A pipe would make the command wait for a writer.
    file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw usage(error, path);
  }
  try {
    const found = await file.stat();
    const { mode } = found;
    if (!found.isFile()) throw new UsageError(`${path} is no file. Delete it, and write the profile anew.`);
    if (process.platform !== 'win32' && (mode & OF_OTHERS) !== 0)
      throw new UsageError(
        `Others can read ${path}, which holds a credential. Change the credential, then: chmod 600 ${path}`,
      );
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}

/** See `Terminal.writePrivate`. Never half written, and never readable by others in between. */
export async function writePrivate(name: string, text: string): Promise<string> {
  const path = privatePath(name);
  const unfinished = `${path}.${process.pid}.new`;
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await writeFile(unfinished, text, { mode: 0o600, flag: 'wx' });
    await rename(unfinished, path);
  } catch (error) {
    throw usage(error, path);
  }
  return path;
}

/** See `Terminal.listPrivate`. */
export async function listPrivate(): Promise<readonly string[]> {
  const path = privatePath('');
  try {
    return (await readdir(path)).filter((name) => name.endsWith('.json')).toSorted();
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return [];
    throw usage(error, path);
  }
}

/** See `Terminal.deletePrivate`. */
export async function deletePrivate(name: string): Promise<boolean> {
  const path = privatePath(name);
  try {
    await unlink(path);
    return true;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return false;
    throw usage(error, path);
  }
}

/** The work under a lock is a few requests. */
const LOCK_MS = 60_000;
const LOCK_POLL_MS = 50;

/**
 * See `Terminal.lockPrivate`. The lock file contains the id of its process and a random part. The lock of a process
 * that has ended is stale; the random part names the holder.
 */
export async function lockPrivate<Result>(name: string, work: () => Promise<Result>): Promise<Result> {
  const path = `${privatePath(name)}.lock`;
  const own = `${process.pid} ${randomUUID()}`;
  while (!(await takeLock(path, own))) {
    const held = await lockIn(path);
    if (held !== undefined && isAbandoned(held)) await removeLock(path, held.text);
    else await setTimeout(LOCK_POLL_MS);
  }
  try {
    return await work();
  } finally {
    await removeLock(path, own);
  }
}

interface HeldLock {
  readonly text: string;
  readonly mtimeMs: number;
}

async function lockIn(path: string): Promise<HeldLock | undefined> {
  try {
    const [text, { mtimeMs }] = await Promise.all([readFile(path, 'utf8'), stat(path)]);
    return { text, mtimeMs };
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw usage(error, path);
  }
}

/**
 * Removes a lock with this text. Another process may have replaced the lock since it was read; then its lock is put
 * back.
 */
async function removeLock(path: string, text: string): Promise<void> {
  const aside = `${path}.${randomUUID()}`;
  try {
    if ((await lockIn(path))?.text !== text) return;
    await rename(path, aside);
    if ((await lockIn(aside))?.text !== text) await link(aside, path);
  } catch (error) {
    if (!hasCode(error, 'ENOENT', 'EEXIST')) throw usage(error, path);
  } finally {
    await rm(aside, { force: true });
  }
}

async function takeLock(path: string, own: string): Promise<boolean> {
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await writeFile(path, own, { mode: 0o600, flag: 'wx' });
    return true;
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false;
    throw usage(error, path);
  }
}

function isAbandoned({ text, mtimeMs }: HeldLock): boolean {
  if (Date.now() - mtimeMs > LOCK_MS) return true;
  // Empty between its creation and its content.
  if (text === '') return false;
  try {
    process.kill(Number.parseInt(text, 10), 0);
    return false;
  } catch (error) {
    if (hasCode(error, 'EPERM')) return false;
    if (hasCode(error, 'ESRCH')) return true;
    throw error;
  }
}

const CHUNK_BYTES = 65_536;
const LINE_FEED = 10;

/** See `Terminal.openLines`. Reads from the end on, so that a long file costs no more than a short one. */
export async function openLines(path: string, isKept: (line: string) => boolean): Promise<Lines> {
  const file = await open(path, 'a+', 0o600).catch((error: unknown) => {
    throw usage(error, path);
  });
  const { end, last } = await lastKept(file, isKept);
  if (last === undefined && (await file.stat()).size > 0) {
    await file.close();
    throw new UsageError(
      `No line of ${path} says where to go on, and it is not empty. Name another file, or delete this one.`,
    );
  }
  await file.truncate(end);
  let size = end;
  return {
    last,
    async append(text) {
      if ((await file.stat()).size !== size)
        throw new UsageError(`Another process writes to ${path}. Stop it, then repeat the command.`);
      const bytes = Buffer.from(text);
      await file.appendFile(bytes);
      size += bytes.length;
    },
    close: () => file.close(),
  };
}

/** The last line that is kept, and where it ends. Text after the last line feed is no line. */
async function lastKept(
  file: FileHandle,
  isKept: (line: string) => boolean,
): Promise<{ readonly end: number; readonly last: string | undefined }> {
  let start = (await file.stat()).size;
  // From `start` on; begins in the middle of a line unless it is the whole file.
  let rest = Buffer.alloc(0);
  while (start > 0) {
    const length = Math.min(CHUNK_BYTES, start);
    const chunk = Buffer.alloc(length);
    start -= length;
    await file.read(chunk, 0, length, start);
    rest = Buffer.concat([chunk, rest]);
    let feed = rest.lastIndexOf(LINE_FEED);
    while (feed !== -1) {
      const before = feed === 0 ? -1 : rest.lastIndexOf(LINE_FEED, feed - 1);
      if (before === -1 && start > 0) break;
      const line = rest.subarray(before + 1, feed).toString();
      if (isKept(line)) return { end: start + feed + 1, last: line };
      rest = rest.subarray(0, before + 1);
      feed = before;
    }
  }
  return { end: 0, last: undefined };
}

/** A fault that the system reports about a file: the caller can mend it. */
function usage(error: unknown, path: string): unknown {
  if (!(error instanceof Error && 'code' in error)) return error;
  return new UsageError(`${path} cannot be used (${String(error.code)}). Check the folder and its rights.`);
}
