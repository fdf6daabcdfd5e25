import { styleText } from 'node:util';
import { type Fault, faultLine } from './fault.ts';

export interface Outcome {
  readonly passed: boolean;
  /** Shown when it did not pass. */
  readonly output: string;
  /** What to know of it when it passed, too, such as what it could not look at. */
  readonly note?: string;
}

export const outcomeOf = (faults: readonly Fault[]): Outcome => ({
  passed: faults.length === 0,
  output: faults.map(faultLine).join('\n'),
});

/** One line for a check; for a failing one all that it said, below. */
export function checkReport(name: string, { passed, output, note }: Outcome, coloured: boolean): string {
  const mark = passed ? '✓' : '✗';
  const line = `${coloured ? styleText(passed ? 'green' : 'red', mark, { validateStream: false }) : mark} ${name}${note === undefined ? '' : ` (${note})`}`;
  if (passed) return line;
  const said = output.trim() === '' ? 'it failed without a word' : output;
  return [line, ...said.split('\n').map((each) => `    ${each}`.trimEnd())].join('\n');
}

/** The last line. `.ci/run` reads the two numbers from it. */
export const summary = (outcomes: readonly Outcome[]): string => {
  const failed = outcomes.filter(({ passed }) => !passed).length;
  return `checks: ${outcomes.length - failed} passed, ${failed} failed`;
};
