import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);
const PYTHONS = ['/usr/bin/python3', 'python3'];

/**
 * The command of a Python that has all of some modules; `undefined`, with a warning, where the machine has none. CI installs
 * the Debian packages, so there it throws.
 */
export async function findPython(
  modules: readonly string[],
  debian: string,
  warn: (text: string) => void,
): Promise<string | undefined> {
  for (const python of PYTHONS)
    if (await run(python, ['-c', `import ${modules.join(', ')}`]).then(...IS_FOUND)) return python;
  const missing = `no Python has ${modules.join(', ')}: apt-get install ${debian}`;
  if (process.env.CI === 'true') throw new Error(missing);
  warn(`${missing}; left out`);
  return undefined;
}
const IS_FOUND = [() => true, () => false] as const;

/** Of the Python package: what it imports. */
export const findPythonForClient = (warn: (text: string) => void): Promise<string | undefined> =>
  findPython(['httpx', 'websockets'], 'python3-httpx python3-websockets', warn);

/** What builds the Python package. */
export const findPythonForBuild = (warn: (text: string) => void): Promise<string | undefined> =>
  findPython(['build', 'hatchling'], 'python3-build python3-hatchling', warn);
