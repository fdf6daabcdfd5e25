import { type FileHandle, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
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
  // Files of a process that was killed. A write of another running process then fails, and that process repeats it.
  for (const name of await readdir(folder))
    if (PARTIAL.test(name)) await rm(join(folder, name), { force: true });
  // A read-only folder must fail at the start, and not at the first segment.
  await replaceFile(folder, '.writable', new Uint8Array());
  await rm(join(folder, '.writable'));
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

/** A file to read. `undefined`: there is no such file. */
async function openThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
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

/** Writes a file so that it exists completely or not at all, at whatever moment the process or the machine stops. */
async function replaceFile(folder: string, name: string, content: Uint8Array): Promise<void> {
  const partial = join(folder, `.${name}.${crypto.randomUUID()}.partial`);
  const file = await open(partial, 'w', 0o600);
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
