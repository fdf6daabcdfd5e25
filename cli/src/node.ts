#!/usr/bin/env node
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as setTimeoutAsync } from 'node:timers/promises';
import { openCredentials } from '@agent-ticket/broker/src/runtime/node/open-credentials.ts';
import { nodeTooOld } from '@agent-ticket/shared/node-version.ts';
import { type NewFile, type Terminal, UsageError } from './command.ts';
import { hasCode } from './error-code.ts';
import {
  deletePrivate,
  listPrivate,
  lockPrivate,
  openLines,
  readPrivate,
  writePrivate,
} from './open-files.ts';
import { openInput } from './open-input.ts';
import { runLibsql } from './open-libsql-client.ts';
import { openLoopback } from './open-loopback.ts';
import { openBrowser, runCloudflared } from './open-program.ts';
import { openProject } from './open-project.ts';
import { exitCode, type Shutdown, shutdownOnSignal } from './open-shutdown.ts';
import { openWrangler, readRawWorker, runWrangler } from './open-wrangler.ts';
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

/** How long an address may take until it begins to answer. Deletions and locks ask objects, up to 20 s. */
const ANSWER_MS = 60_000;

async function fetchPatiently(request: string | Request, init: RequestInit = {}): Promise<Response> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), ANSWER_MS);
  try {
    // The answer is a redirect then, and its body has all the time that it needs.
    return await fetch(request, { redirect: 'manual', ...init, signal: late.signal });
  } catch (error) {
    if (late.signal.aborted) throw new TypeError(`no answer in ${ANSWER_MS} ms`);
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** Only where a command asks for it: any other one ends at Ctrl-C as processes do. */
let shutdown: Shutdown | undefined;
const interrupted = (): AbortSignal => {
  shutdown ??= shutdownOnSignal();
  return shutdown.requested;
};

/** Of Node alone is the second argument that has headers. */
const NodeWebSocket: new (
  url: string,
  opening: { readonly protocols: readonly string[]; readonly headers: Readonly<Record<string, string>> },
) => WebSocket = WebSocket as never;

const terminal: Terminal = {
  readWorker: async (config) => openWrangler().unstable_readConfig({ config }, { hideWarnings: true }),
  readRawWorker,
  createFiles,
  project: openProject('.'),
  // Imported here: no other command needs the sign-in stand-in.
  runDev: async (options) => (await import('./open-dev.ts')).openDev(options, terminal, interrupted()),
  readLines,
  fetch: fetchPatiently,
  openSocket: (url, protocols, headers = {}) => new NodeWebSocket(url, { protocols, headers }),
  environment: process.env,
  readCredentials: () =>
    openCredentials(process.env).catch((error: unknown) => {
      // Its errors name the variable or the file for a person, and no value.
      throw error instanceof Error ? new UsageError(`${error.message}. Correct it.`) : error;
    }),
  readPrivate,
  writePrivate,
  listPrivate,
  deletePrivate,
  lockPrivate,
  openLoopback,
  openBrowser,
  runCloudflared,
  openLines,
  runWrangler,
  runLibsql,
  openInput,
  isInteractive: process.stdin.isTTY === true && process.stderr.isTTY === true,
  columns: process.stdout.isTTY === true ? process.stdout.columns : undefined,
  now: () => Date.now(),
  randomBytes: (length) => new Uint8Array(randomBytes(length)),
  async wait(ms, until) {
    const signal = AbortSignal.any([until, shutdown?.requested].filter((each) => each !== undefined));
    await setTimeoutAsync(ms, undefined, { signal }).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
  },
  get interrupted() {
    return interrupted();
  },
  async drained() {
    if (process.stdout.writableNeedDrain) await once(process.stdout, 'drain');
  },
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
  colours: process.stdout.isTTY === true && !process.env.NO_COLOR,
};

// The reader of a pipe, such as `head`, has read enough.
process.stdout.on('error', (error: Error) => {
  if (!hasCode(error, 'EPIPE')) throw error;
  process.exit(exitCode('SIGPIPE'));
});

const tooOld = nodeTooOld(process.versions.node);
if (tooOld !== undefined) process.stderr.write(`${tooOld}.\n`);
process.exitCode = tooOld === undefined ? await run(process.argv.slice(2), terminal) : 2;
