import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir, totalmem } from 'node:os';
import * as z from 'zod';
import { ROOT } from '../quiet-environment.ts';

/** What `--json` prints and `--save` stores. */
const Bounds = z.object({ goal: z.number(), limit: z.number() });
const Spread = z.object({ median: z.number(), min: z.number(), max: z.number() });
const Floor = z.object({
  trips: z.enum(['none', 'same']),
  does: z.string(),
  bounds: Bounds.optional(),
  figure: Spread,
  ratio: Spread,
});
const Stored = z.object({
  /** Day and machine of the measurement. */
  measuredAt: z.iso.datetime(),
  on: z.object({
    commit: z.string(),
    node: z.string(),
    cpu: z.string(),
    cores: z.int(),
    memoryGigabytes: z.int(),
    /** Where the databases are. */
    folder: z.string(),
  }),
  results: z.array(
    z.object({
      name: z.string(),
      does: z.string(),
      unit: z.string(),
      better: z.enum(['more', 'less']),
      bounds: Bounds.optional(),
      rounds: z.int(),
      figure: Spread,
      floors: z.array(Floor),
      passed: z.boolean(),
    }),
  ),
});

export type Stored = z.infer<typeof Stored>;

/** Throws an `Error` that names the file. */
export function readStored(file: string): Stored {
  const read = Stored.safeParse(JSON.parse(readFileSync(file, 'utf8')));
  if (read.success) return read.data;
  throw new Error(`${file} is no stored result: ${z.prettifyError(read.error)}`);
}

/** Where and when this process measures. */
export const circumstances = (): Pick<Stored, 'measuredAt' | 'on'> => ({
  measuredAt: new Date().toISOString(),
  on: {
    commit: execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: ROOT, encoding: 'utf8' }).trim(),
    node: process.versions.node,
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryGigabytes: Math.round(totalmem() / 2 ** 30),
    folder: tmpdir(),
  },
});
