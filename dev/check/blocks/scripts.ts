import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { hasCode } from '../../error-code.ts';
import type { Fault } from '../fault.ts';
import type { Block } from './extract.ts';

/** Reads a script on standard input and compiles it, so that nothing of it runs. */
const COMPILE = 'import sys; compile(sys.stdin.read(), "block", "exec")';

/** Blocks that a shell cannot parse. Runs none of them. */
export const shellFaults = (blocks: readonly Block[]): Promise<Fault[]> => faultsOf(blocks, 'bash', ['-n']);

/** Blocks that Python cannot compile; `undefined` where there is no Python. Runs none of them. */
export async function pythonFaults(blocks: readonly Block[]): Promise<Fault[] | undefined> {
  if ((await run('python3', ['--version'], '')) === undefined) return undefined;
  return faultsOf(blocks, 'python3', ['-c', COMPILE]);
}

async function faultsOf(blocks: readonly Block[], command: string, args: string[]): Promise<Fault[]> {
  const faults: Fault[] = [];
  for (const { file, line, code } of blocks) {
    const ended = await run(command, args, `${code}\n`);
    if (ended === undefined) throw new Error(`cannot run ${command}`);
    if (ended.code !== 0) faults.push({ file, line, message: ended.said.trim() });
  }
  return faults;
}

/** `undefined` where there is no such command. */
async function run(
  command: string,
  args: string[],
  input: string,
): Promise<{ readonly code: number; readonly said: string } | undefined> {
  const child = spawn(command, args, { stdio: ['pipe', 'ignore', 'pipe'] });
  const ended = once(child, 'close');
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  try {
    const said = await text(child.stderr);
    const [code] = await ended;
    return { code: Number(code), said };
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}
