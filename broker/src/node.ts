#!/usr/bin/env node
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describeError } from '@agent-ticket/shared/describe-error.ts';
import { nodeTooOld } from '@agent-ticket/shared/node-version.ts';
import { createApp } from './app.ts';
import { readNodeConfig } from './runtime/node/config.ts';
import { openAgents } from './runtime/node/open-agents.ts';
import { type Log, openBroker } from './runtime/node/open-broker.ts';
import { openCredentials } from './runtime/node/open-credentials.ts';

/** `npm run start:node -w broker`: the broker as one process, until a signal. */

/** In the package beside this file, and in the repository where it is built. */
const CONSOLE_FOLDERS = ['console', '../console/dist'].map((folder) =>
  fileURLToPath(new URL(folder, import.meta.url).href),
);

let lines = '';

const writeLines = (): void => {
  process.stdout.write(lines);
  lines = '';
};

/** The lines of one turn of the event loop in one write: each write stops the process until it is done. */
const log: Log = (event) => {
  if (lines === '') setImmediate(writeLines);
  lines += `${JSON.stringify(event)}\n`;
};
process.on('exit', writeLines);

/** Resolves with the first signal that asks to end. A second one ends at once, as it does by default. */
const signalled = Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]);

/** The messages of a start are for the operator, and name no value of a setting. */
const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : describeError(error));

/**
 * Tells systemd that the broker listens (`Type=notify` of systemd.service(5)), by its own program, since Node has no
 * datagrams on Unix sockets. A container's runtime may set the variable as well, where no such program exists.
 */
async function notifyReady(): Promise<void> {
  try {
    await promisify(execFile)('systemd-notify', ['--ready', `--pid=${process.pid}`]);
  } catch (error) {
    log({ event: 'not_notified', error: reasonOf(error) });
  }
}

/** A failure that a retry cannot repair ends the process, and its reason is printed for the operator. */
async function main(): Promise<void> {
  const tooOld = nodeTooOld(process.versions.node);
  if (tooOld !== undefined) throw new Error(tooOld);
  const config = readNodeConfig(await openCredentials(process.env), process.pid);
  const broker = await openBroker(config, await openAgents(config.agents), createApp, log, CONSOLE_FOLDERS);
  log({ event: 'started', url: broker.url });
  if (process.env.NOTIFY_SOCKET !== undefined) await notifyReady();
  await signalled;
  log({ event: 'stopping' });
  await broker.stop();
  log({ event: 'stopped' });
}

main().catch((error: unknown) => {
  log({ event: 'not_started', error: reasonOf(error) });
  process.exitCode = 1;
});
