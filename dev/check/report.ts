import { spawnSync } from 'node:child_process';
import { stripVTControlCharacters, styleText } from 'node:util';
import { hasCode } from 'agent-ticket/src/error-code.ts';
import { quietEnvironment, ROOT } from '../quiet-environment.ts';

/** One thing that a check found wrong, where, and why it matters. */
export interface Fault {
  readonly file: string;
  readonly line?: number;
  readonly message: string;
}

/** `file:line  message`, which editors and terminals turn into a link. */
export const faultLine = ({ file, line, message }: Fault): string =>
  `${line === undefined ? file : `${file}:${line}`}  ${message}`;

export interface Outcome {
  readonly passed: boolean;
  /** Shown when it did not pass. */
  readonly output: string;
  /** Shown in either case, such as a count of parts that were not checked. */
  readonly note?: string;
}

export const outcomeOf = (faults: readonly Fault[]): Outcome => ({
  passed: faults.length === 0,
  output: faults.map(faultLine).join('\n'),
});

/** One line for a check, and below it the output of a failing one. */
export function checkReport(name: string, { passed, output, note }: Outcome, coloured: boolean): string {
  const mark = passed ? '✓' : '✗';
  const line = `${coloured ? styleText(passed ? 'green' : 'red', mark, { validateStream: false }) : mark} ${name}${note === undefined ? '' : ` (${note})`}`;
  if (passed) return line;
  const text = output.trim() === '' ? 'it failed without output' : output;
  return [line, ...text.split('\n').map((each) => `    ${each}`.trimEnd())].join('\n');
}

/** The last line. `.ci/run` reads the two numbers from it. */
export const summary = (outcomes: readonly Outcome[]): string => {
  const failed = outcomes.filter(({ passed }) => !passed).length;
  return `checks: ${outcomes.length - failed} passed, ${failed} failed`;
};

export type Command = readonly [command: string, ...args: string[]];

/** Runs a command of the project silent and offline, with a text on standard input. It passed when it exits with 0. */
export function runCommand([command, ...args]: Command, input = ''): Outcome {
  const { error, status, signal, stdout, stderr } = spawnSync(command, args, {
    cwd: ROOT,
    env: quietEnvironment(process.env),
    encoding: 'utf8',
    input,
    maxBuffer: Number.POSITIVE_INFINITY,
  });
  // A command that ignores its input may exit before it is written.
  if (error !== undefined && !hasCode(error, 'EPIPE'))
    return { passed: false, output: `cannot run ${command}: ${error.message}` };
  // Some tools colour their output into a pipe.
  const output = stripVTControlCharacters(`${stdout}${stderr}`).trimEnd();
  if (status === 0) return { passed: true, output };
  return {
    passed: false,
    output: `${output}\n${[command, ...args].join(' ')} ended with ${signal ?? status}`,
  };
}
