#!/usr/bin/env node
import { createReadStream, existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type NewFile, type Terminal, UsageError } from './command.ts';
import { shutdownOnSignal } from './open-shutdown.ts';
import { openWrangler } from './open-wrangler.ts';
import { run } from './run.ts';

/** `npx agent-ticket`: the one file of the command line that names a process. */

/** Lines end at LF and nowhere else, as JSON Lines do: `node:readline` breaks a text at U+2028, which JSON holds as it is. */
async function* readLines(path: string): AsyncGenerator<string> {
  try {
    let line = '';
    for await (const chunk of createReadStream(path, 'utf8')) {
      const [first = '', ...others] = String(chunk).split('\n');
      line += first;
      for (const other of others) {
        yield line;
        line = other;
      }
    }
    if (line !== '') yield line;
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error;
    throw new UsageError(`${path} cannot be read (${String(error.code)}). Name a file that is there.`);
  }
}

async function createFiles(files: readonly NewFile[]): Promise<readonly string[]> {
  const present = files.map(({ path }) => path).filter((path) => existsSync(path));
  if (present.length > 0) return present;
  for (const { path, text } of files) {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text, { flag: 'wx' });
  }
  return [];
}

const terminal: Terminal = {
  readWorker: async (config) => openWrangler().unstable_readConfig({ config }, { hideWarnings: true }),
  createFiles,
  // Imported here: no other command needs the sign-in stand-in.
  runDev: async (options) =>
    (await import('./open-dev.ts')).openDev(options, terminal, shutdownOnSignal().requested),
  readLines,
  fetch: async (url) => {
    try {
      return await fetch(url, { redirect: 'error' });
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      throw new UsageError(`${url} does not answer. Save the keys to a file and give that to --keys.`);
    }
  },
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
  colours: process.stdout.isTTY === true && process.env.NO_COLOR === undefined,
};

process.exitCode = await run(process.argv.slice(2), terminal);
