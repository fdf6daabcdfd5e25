import { spawn } from 'node:child_process';
import { stripVTControlCharacters } from 'node:util';
import { quietEnvironment, ROOT } from '../quiet-environment.ts';
import type { Outcome } from './report.ts';

/** Runs a command of the project silent and offline; passed when it ends with 0. The output is kept for a failure. */
export function runCommand(command: string, ...args: string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: ROOT,
      env: quietEnvironment(process.env),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const output: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => output.push(chunk));
    child.on('error', (error) =>
      resolve({ passed: false, output: `cannot run ${command}: ${error.message}` }),
    );
    child.on('close', (code, signal) => {
      // Some tools colour what they write into a pipe.
      const text = stripVTControlCharacters(Buffer.concat(output).toString()).trimEnd();
      const end = `${[command, ...args].join(' ')} ended with ${signal ?? code}`;
      resolve({ passed: code === 0, output: code === 0 ? text : `${text}\n${end}` });
    });
  });
}
