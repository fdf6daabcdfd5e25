import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

type Environment = Readonly<Record<string, string | undefined>>;

/** Files with other names are no settings. The files of Kubernetes, for example, begin with dots. */
const NAME = /^[A-Z][A-Z0-9_]*$/;

/**
 * The environment, with a variable for each file of the folder that `CREDENTIALS_DIRECTORY` names: systemd passes
 * credentials so (systemd.exec(5)), and containers mount secrets so. A file is named like its setting and has the value;
 * one newline at the end is not part of the value. Rejects with an `Error` that names the variable, never a value.
 */
export async function openCredentials(env: Environment): Promise<Environment> {
  const { CREDENTIALS_DIRECTORY: folder } = env;
  if (folder === undefined) return env;
  const read = async (name: string) => {
    if (env[name] !== undefined)
      throw new Error(`${name}: both in the environment and in CREDENTIALS_DIRECTORY`);
    const text = await readFile(join(folder, name), 'utf8').catch((error: unknown) => {
      throw unreadable(name, error);
    });
    return [name, text.replace(/\r?\n$/, '')] as const;
  };
  const names = await readdir(folder).catch((error: unknown) => {
    throw unreadable('the folder', error);
  });
  const files = await Promise.all(names.filter((name) => NAME.test(name)).map(read));
  return { ...env, ...Object.fromEntries(files) };
}

function unreadable(what: string, cause: unknown): Error {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new Error(`CREDENTIALS_DIRECTORY: ${what} cannot be read: ${why}`, { cause });
}
