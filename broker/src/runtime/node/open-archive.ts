import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { ArchiveStore } from '../../audit/archive-store.ts';
import { type S3Place, s3Archive } from '../../audit/s3-archive.ts';

/** The place of the archive: a folder, or a server with the S3 API. */
export type ArchivePlace = { readonly folder: string } | S3Place;

/**
 * The archive of a broker on Node. If a folder cannot be made or written, throws an `Error` that names the setting. Sends
 * a server no request before there is a segment to move.
 */
export async function openArchive(place: ArchivePlace): Promise<ArchiveStore> {
  if (!('folder' in place)) return s3Archive(place, (url, init) => fetch(url, init));
  try {
    return await folderArchive(resolve(place.folder));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`AUDIT_ARCHIVE_URL: the folder cannot be written: ${why}`, { cause: error });
  }
}

const PARTIAL = /^\..*\.partial$/;

/** Files of a folder that only the owner of the process may read. */
async function folderArchive(folder: string): Promise<ArchiveStore> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const name of await readdir(folder)) if (PARTIAL.test(name)) await removeAbandoned(join(folder, name));
  // A read-only folder must fail at the start, and not at the first segment.
  const probe = await openPartial(folder, 'probe');
  await probe.file.close();
  await rm(probe.path, { force: true });
  return {
    async get(name) {
      const file = await openThere(join(folder, name));
      return file && contentOf(file);
    },
    async put(name, content) {
      const there = await openThere(join(folder, name));
      if (there === undefined) await replaceFile(folder, name, content);
      else await there.close();
    },
    async delete(name) {
      await rm(join(folder, name), { force: true });
      await syncFolder(folder);
    },
  };
}

/** What `work` resolves to. `undefined`: there is no such file. */
async function ifThere<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** A file to read. */
const openThere = (path: string): Promise<FileHandle | undefined> => ifThere(open(path, 'r'));

/** No write takes as long, so that a file of that age is one of a process that was killed. In ms. */
const ABANDONED_MS = 3_600_000;

/** Removes what a killed process has left half written, and no file that another process writes at this moment. */
async function removeAbandoned(path: string): Promise<void> {
  const found = await ifThere(stat(path));
  if (found !== undefined && Date.now() - found.mtimeMs > ABANDONED_MS) await rm(path, { force: true });
}

const CHUNK_BYTES = 65_536;

const contentOf = (file: FileHandle): ReadableStream<Uint8Array> =>
  new ReadableStream({
    async pull(controller) {
      const { bytesRead, buffer } = await file.read(new Uint8Array(CHUNK_BYTES));
      if (bytesRead > 0) return controller.enqueue(buffer.subarray(0, bytesRead));
      await file.close();
      controller.close();
    },
    cancel: () => file.close(),
  });

/** A new file beside a name, to write. No other process has its path. */
async function openPartial(folder: string, name: string) {
  const path = join(folder, `.${name}.${crypto.randomUUID()}.partial`);
  return { path, file: await open(path, 'wx', 0o600) };
}

/** Writes a file so that it exists completely or not at all, at whatever moment the process or the machine stops. */
async function replaceFile(folder: string, name: string, content: Uint8Array): Promise<void> {
  const { path: partial, file } = await openPartial(folder, name);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(partial, join(folder, name));
  await syncFolder(folder);
}

/** A name in a folder is durable only after the folder was synchronised. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
