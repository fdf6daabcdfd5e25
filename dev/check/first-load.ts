import { readFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import * as z from 'zod';
import type { Fault } from './report.ts';

/** The size of the files that a browser loads before the console shows content, compressed. */
export const FIRST_LOAD_BYTES_MAX = 40_000;

const FOLDER = 'broker/console/dist';
/** Files beside the script of the page and its imports. */
const BESIDE = ['console.html', 'console.css', 'icon.svg'];
const ENTRY = 'console.js';
/** The verifier of the audit log, with the modules that only it needs. */
const LATER = /(^|\/)audit\/proof\/|^(\.\.\/)*node_modules\/(zod|@noble)\//;

const Metafile = z.object({
  outputs: z.record(
    z.string(),
    z.object({
      imports: z.array(z.object({ path: z.string(), kind: z.string() })),
      inputs: z.record(z.string(), z.unknown()),
    }),
  ),
});

interface FirstLoad {
  /** Names of files in the folder of the build. */
  readonly files: readonly string[];
  readonly inputs: readonly string[];
}

/** The files of the first load, from the bundler's report: the script of the page, and its static imports. */
export function firstLoadOf(metafile: string): FirstLoad {
  const { outputs } = Metafile.parse(JSON.parse(metafile));
  const byName = new Map(Object.entries(outputs).map(([path, output]) => [nameOf(path), output]));
  const found = new Set<string>();
  const visit = (name: string): void => {
    if (found.has(name)) return;
    found.add(name);
    for (const { path, kind } of byName.get(name)?.imports ?? [])
      if (kind === 'import-statement') visit(nameOf(path));
  };
  visit(ENTRY);
  const inputs = [...found].flatMap((name) => Object.keys(byName.get(name)?.inputs ?? {}));
  return { files: [...BESIDE, ...found], inputs };
}

const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

/** @param sizes bytes of each file of the first load, compressed. */
export function firstLoadFaults({ inputs }: FirstLoad, sizes: readonly number[]): Fault[] {
  const fault = (message: string): Fault => ({ file: FOLDER, message });
  // A report of another build would pass every rule below.
  if (!inputs.includes('console/console.tsx'))
    return [fault('the report of inputs does not name the console')];
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  return [
    ...(bytes <= FIRST_LOAD_BYTES_MAX
      ? []
      : [fault(`the first load weighs ${bytes} bytes compressed, more than ${FIRST_LOAD_BYTES_MAX}`)]),
    ...inputs.filter((input) => LATER.test(input)).map((input) => fault(`the first load contains ${input}`)),
  ];
}

/** Reads the build of the console in the top folder, and checks its first load. Throws where there is none. */
export async function checkFirstLoad(root: string): Promise<Fault[]> {
  const read = (name: string) => readFile(`${root}${FOLDER}/${name}`);
  const load = firstLoadOf(await readFile(`${root}${FOLDER}/meta.json`, 'utf8'));
  const bytes = await Promise.all(load.files.map(read));
  return firstLoadFaults(
    load,
    bytes.map((each) => gzipSync(each, { level: 9 }).length),
  );
}
