import { parseArgs } from 'node:util';
import type { Row } from './row.ts';

export interface BenchOptions {
  readonly rows: readonly Row[];
  readonly rounds: number;
  /** How long one operand is measured in one round, in ms. */
  readonly forMs: number;
  readonly json: boolean;
  /** File of a stored result to compare with. */
  readonly against: string | undefined;
  /** File to store the result in. */
  readonly save: string | undefined;
}

/** A command line that cannot be run; its message is for the user. */
export class UsageError extends Error {}

const OPTIONS = {
  json: { type: 'boolean', default: false },
  quick: { type: 'boolean', default: false },
  rounds: { type: 'string' },
  only: { type: 'string' },
  against: { type: 'string' },
  save: { type: 'string' },
} as const;

const FULL = { rounds: 7, forMs: 1500 };
const QUICK = { rounds: 3, forMs: 700 };

/** Reads the arguments behind the command. Throws a {@link UsageError}. */
export function readOptions(args: readonly string[], rows: readonly Row[]): BenchOptions {
  const values = parse(args);
  const given = values.quick ? QUICK : FULL;
  const rounds = values.rounds === undefined ? given.rounds : Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new UsageError(`--rounds takes a whole number from 1 on, not "${values.rounds}"`);
  return {
    rows: selected(rows, values.only, values.quick),
    rounds,
    forMs: given.forMs,
    json: values.json,
    against: values.against,
    save: values.save,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS }).values;
  } catch (error) {
    // parseArgs throws nothing else on a command line that does not fit.
    if (!(error instanceof TypeError)) throw error;
    const names = Object.keys(OPTIONS).map((name) => `--${name}`);
    throw new UsageError(`${error.message.split('.')[0]}. The options are ${names.join(', ')}`);
  }
}

function selected(rows: readonly Row[], only: string | undefined, isQuick: boolean): readonly Row[] {
  if (only === undefined) return isQuick ? rows.filter((row) => row.isQuick) : rows;
  const wanted = only.split(',');
  const unknown = wanted.filter((name) => !rows.some((row) => row.name === name));
  if (unknown.length > 0)
    throw new UsageError(
      `no row is called ${unknown.join(', ')}. The rows are ${rows.map(({ name }) => name).join(', ')}`,
    );
  return rows.filter(({ name }) => wanted.includes(name));
}
