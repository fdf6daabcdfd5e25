import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { UsageError, type WranglerRun } from './command.ts';
import { hasCode } from './error-code.ts';

/** What the command line uses of the wrangler that an app has installed. */
interface Wrangler {
  unstable_readConfig(
    args: { readonly config?: string | undefined },
    options: { readonly hideWarnings: boolean },
  ): unknown;
  experimental_readRawConfig(args: { readonly config: string }): { readonly rawConfig: unknown };
  getPlatformProxy<Env>(options: {
    readonly configPath: string;
    readonly persist: { readonly path: string };
  }): Promise<{ readonly env: Env; dispose(): Promise<void> }>;
}

/** Modules as the app in this folder resolves them. */
const requireHere = (): NodeJS.Require => createRequire(resolve('package.json'));

/** The wrangler of the app: it knows every form of its configuration, and where its local data is. */
export const openWrangler = (): Wrangler =>
  installed(() => requireHere()('wrangler'), 'npm install --save-dev wrangler');

/** The program of a package of the app, by its path in the package. */
export const programOf = (name: string, path: string): string =>
  installed(
    () => join(dirname(requireHere().resolve(`${name}/package.json`)), path),
    `npm install --save-dev ${name}`,
  );

/** See `Terminal.runWrangler`. Without a terminal as its input wrangler takes defaults, or says what is missing. */
export async function runWrangler(words: readonly string[], input = ''): Promise<WranglerRun> {
  const child = spawn(process.execPath, [programOf('wrangler', 'bin/wrangler.js'), ...words], {
    // The banner looks for a newer release. Colours would be in texts that are read.
    env: {
      ...process.env,
      WRANGLER_SEND_METRICS: 'false',
      WRANGLER_HIDE_BANNER: 'true',
      NO_COLOR: '1',
      FORCE_COLOR: '0',
    },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const texts = { out: '', err: '' };
  child.stdout.setEncoding('utf8').on('data', (text) => {
    texts.out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    texts.err += text;
  });
  // A program that ended without reading its input says why by its code.
  child.stdin.on('error', (error) => {
    if (!hasCode(error, 'EPIPE', 'ECONNRESET')) throw error;
  });
  child.stdin.end(input);
  const code = await new Promise<number | null>((ended, failed) => {
    child.once('error', failed).once('close', ended);
  });
  return { code, ...texts };
}

/** See `Terminal.readRawWorker`. */
export const readRawWorker = async (config: string): Promise<unknown> =>
  openWrangler().experimental_readRawConfig({ config }).rawConfig;

/** Whether the app has installed a package. */
export function isInstalled(name: string): boolean {
  try {
    requireHere().resolve(name);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    // It is there, for `import` alone.
    if (error instanceof Error && 'code' in error && error.code === 'ERR_PACKAGE_PATH_NOT_EXPORTED')
      return true;
    throw error;
  }
}

function installed<T>(find: () => T, remedy: string): T {
  try {
    return find();
  } catch (error) {
    if (isMissing(error)) throw new UsageError(`A package is missing in this folder: ${remedy}`);
    throw error;
  }
}

const isMissing = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'MODULE_NOT_FOUND';
