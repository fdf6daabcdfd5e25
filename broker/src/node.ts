#!/usr/bin/env node
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describeError } from '@agent-ticket/shared/describe-error.ts';
import { createApp } from './app.ts';
import { readNodeConfig } from './runtime/node/config.ts';
import { openAgents } from './runtime/node/open-agents.ts';
import { type Log, openBroker } from './runtime/node/open-broker.ts';

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

/** A failure that a retry cannot repair ends the process, and its reason is printed for the operator. */
async function main(): Promise<void> {
  const config = readNodeConfig(process.env);
  const broker = await openBroker(config, await openAgents(config.agents), createApp, log, CONSOLE_FOLDERS);
  log({ event: 'started', url: broker.url });
  await signalled;
  log({ event: 'stopping' });
  await broker.stop();
  log({ event: 'stopped' });
}

main().catch((error: unknown) => {
  log({ event: 'not_started', error: error instanceof Error ? error.message : describeError(error) });
  process.exitCode = 1;
});
