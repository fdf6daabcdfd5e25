import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Project } from './command.ts';
import { hasCode } from './error-code.ts';

/** See `Terminal.project`. `root` is the folder that the paths are from. */
export function openProject(root: string): Project {
  const at = (path: string): string => join(root, path);
  return {
    read: (path) => orNone(readFile(at(path), 'utf8'), undefined),
    async write(path, text) {
      await mkdir(dirname(at(path)), { recursive: true });
      const unfinished = `${at(path)}.${process.pid}.new`;
      await writeFile(unfinished, text);
      await rename(unfinished, at(path));
    },
    list: async (folder) => (await orNone(readdir(at(folder)), [])).toSorted(),
    async digest(folders) {
      const hash = createHash('sha256');
      for (const folder of folders)
        for (const file of await filesBelow(at(folder))) {
          hash.update(`${file}\0`);
          hash.update(
            createHash('sha256')
              .update(await readFile(join(at(folder), file)))
              .digest(),
          );
        }
      return hash.digest('hex');
    },
  };
}

/** Maps have paths of a machine in them, and wrangler writes the time of a build into its README. */
const IS_NOTE = /\.map$|(^|\/)README\.md$/;

async function filesBelow(folder: string): Promise<readonly string[]> {
  const entries = await orNone(readdir(folder, { recursive: true, withFileTypes: true }), []);
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(folder.length + 1)
        .replaceAll('\\', '/'),
    )
    .filter((file) => !IS_NOTE.test(file))
    .toSorted();
}

const orNone = <T, None>(work: Promise<T>, none: None): Promise<T | None> =>
  work.catch((error: unknown) => {
    if (hasCode(error, 'ENOENT')) return none;
    throw error;
  });
