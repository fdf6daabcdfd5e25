import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { onTestFinished } from 'vitest';
import { ROOT } from '../quiet-environment.ts';
import { reservePort } from '../start/reservations.ts';
import type { Ports } from '../start/stack.ts';

export interface StartProcess {
  /** Everything that the process has written so far. */
  readonly output: { readonly out: string; readonly err: string };
  /** Resolves when the summary is printed; rejects when the process exits before. */
  up(): Promise<void>;
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  /** Sends a signal to the process alone, or as a terminal does to its group. */
  signal(signal: NodeJS.Signals, to: 'process' | 'group'): void;
  /** Whether the process or any process of its group still exists. */
  hasLeftovers(): boolean;
  /** Closes the reading end of its output. */
  closeOutput(): void;
}

/** `npm start` without npm, in a process group of its own that is killed when the test ends. */
export const startProcess = (ports: Ports, folder: string, more: NodeJS.ProcessEnv = {}): StartProcess =>
  startCommand([process.execPath, `${ROOT}dev/start/start.ts`], ports, folder, more);

/** The same with another command, in another folder. */
export function startCommand(
  [command, ...args]: readonly [string, ...string[]],
  ports: Ports,
  folder: string,
  more: NodeJS.ProcessEnv = {},
  cwd = ROOT,
): StartProcess {
  const child = spawn(command, args, {
    cwd,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...variables(ports, folder), ...more },
  });
  const { pid } = child;
  if (pid === undefined) throw new Error(`${command} cannot be started`);
  const output = { out: '', err: '' };
  child.stdout.on('data', (chunk) => {
    output.out += String(chunk);
  });
  child.stderr.on('data', (chunk) => {
    output.err += String(chunk);
  });
  const hasLeftovers = (): boolean => isThere(-pid);
  onTestFinished(() => {
    if (hasLeftovers()) process.kill(-pid, 'SIGKILL');
  });
  const ended = endOf(child);
  return {
    output,
    ended,
    hasLeftovers,
    up: () =>
      new Promise((resolve, reject) => {
        const check = (): void => {
          if (output.out.includes('Ctrl-C ends everything')) resolve();
        };
        child.stdout.on('data', check);
        check();
        ended.then(({ code }) => reject(new Error(`ended with ${code}: ${output.err}`)), reject);
      }),
    signal: (signal, to) => process.kill(to === 'group' ? -pid : pid, signal),
    closeOutput: () => child.stdout.destroy(),
  };
}

async function endOf(child: ChildProcess): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
  const [code, signal] = await once(child, 'close');
  return { code, signal };
}

const variables = (ports: Ports, folder: string) => ({
  BROKER_PORT: String(ports.broker),
  AGENT_WORKER_PORT: String(ports.agentWorker),
  IDENTITY_PROVIDER_PORT: String(ports.identityProvider),
  DEV_DIR: folder,
});

/** Whether a process, or with its negative a group, exists. */
function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Resolves when nothing listens on any of the ports; rejects with the one that is taken. */
export async function portsAreFree(ports: Ports): Promise<void> {
  for (const [name, port] of Object.entries(ports)) await (await reservePort(port, name)).release();
}
