import { execFile } from 'node:child_process';
import { copyFile, mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { makeSecrets } from 'agent-ticket/src/open-secrets.ts';
import { freePorts } from '../e2e/free-ports.ts';
import { type NodeStack, startNodeStack } from '../e2e/node-broker.ts';
import { type Stack, startStack } from '../start/stack.ts';
import { type Floor, startFloor } from './floor/start.ts';
import { type NodeFloor, startNodeFloor } from './floor/start-node.ts';

/** The servers that rows share, each started when the first row asks for it. */
export interface Servers {
  /** Both workers in one workerd. */
  stack(): Promise<Stack>;
  /** The bare worker in a workerd of its own. */
  floor(): Promise<Floor>;
  /** The broker as a Node process with libSQL files. */
  nodeStack(): Promise<NodeStack>;
  /** The bare server as a Node process. */
  nodeFloor(): Promise<NodeFloor>;
  /** Servers of a row's own, with new data. */
  freshStack(): Promise<Stack>;
  freshFloor(): Promise<Floor>;
  /** A folder of a row's own. It does not exist yet. */
  newFolder(): string;
  close(): Promise<void>;
}

const TICKETED = fileURLToPath(new URL('ticketed/wrangler.jsonc', import.meta.url));

/** Builds the worker of the counter alone into a folder, with its configuration. */
async function buildTicketed(folder: string): Promise<string> {
  const options = ['deploy', '--dry-run', '--config', TICKETED, '--outdir', join(folder, 'dist')];
  await promisify(execFile)('wrangler', options);
  await rename(join(folder, 'dist', 'worker.js'), join(folder, 'dist', 'index.js'));
  await copyFile(TICKETED, join(folder, 'wrangler.jsonc'));
  return folder;
}

export async function openServers(): Promise<Servers> {
  const folder = await mkdtemp(join(tmpdir(), 'agent-ticket-bench-'));
  let folders = 0;
  const running: Promise<{ close(): Promise<void> }>[] = [];

  const once = <T extends { close(): Promise<void> }>(start: () => Promise<T>): (() => Promise<T>) => {
    let started: Promise<T> | undefined;
    return () => {
      if (started === undefined) {
        started = start();
        running.push(started);
      }
      return started;
    };
  };
  const newFolder = (): string => join(folder, String(folders++));
  /** Built once for all stacks. */
  let ticketedFolder: Promise<string> | undefined;
  const freshStack = async (): Promise<Stack> => {
    ticketedFolder ??= buildTicketed(newFolder());
    return startStack({
      ports: await freePorts(),
      secrets: makeSecrets(),
      stateDir: newFolder(),
      folders: { agentWorker: await ticketedFolder },
    });
  };
  const freshFloor = (): Promise<Floor> => startFloor(newFolder());
  /** Also when a signal ends the run in the middle of a row: then the row fails, and closes again. */
  let closing: Promise<void> | undefined;
  async function closeAll(): Promise<void> {
    const started = await Promise.allSettled(running);
    await Promise.all(started.map((each) => (each.status === 'fulfilled' ? each.value.close() : undefined)));
    await rm(folder, { recursive: true });
  }
  return {
    stack: once(freshStack),
    floor: once(freshFloor),
    nodeStack: once(startNodeStack),
    nodeFloor: once(startNodeFloor),
    freshStack,
    freshFloor,
    newFolder,
    close: () => {
      closing ??= closeAll();
      return closing;
    },
  };
}
