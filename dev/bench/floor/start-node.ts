import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export interface NodeFloor {
  readonly url: string;
  close(): Promise<void>;
}

/** Starts the bare Node server as a process, on a free port. */
export async function startNodeFloor(): Promise<NodeFloor> {
  const child = spawn(process.execPath, [fileURLToPath(new URL('node.ts', import.meta.url))], {
    env: { PATH: process.env.PATH },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'close');
  const [line] = await Promise.race([once(child.stdout, 'data'), ended]);
  const url = String(line).trim();
  if (!URL.canParse(url)) throw new Error(`the floor did not start: ${line}`);
  return {
    url,
    async close() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}
