import '../require-node.ts';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { freePorts } from '../e2e/free-ports.ts';
import { quietEnvironment } from '../quiet-environment.ts';
import { build } from '../start/build.ts';
import { makeSecrets } from '../start/secrets.ts';
import { compare, type Result, table } from './rounds.ts';

/** `npm run bench [-- --json] [-- --rounds 7]`: exits with 1 when a ratio is below its minimum. */
const { values } = parseArgs({
  options: { json: { type: 'boolean', default: false }, rounds: { type: 'string', default: '7' } },
});
const ROUNDS = { count: Number(values.rounds), forMs: 1500 };
if (!Number.isInteger(ROUNDS.count) || ROUNDS.count < 1)
  throw new RangeError('--rounds takes a whole number');

/** To standard error, so that standard output has only the results. */
const logProgress = (line: string) => process.stderr.write(`${line}\n`);

Object.assign(process.env, quietEnvironment(process.env));
logProgress('building …');
await build(process.env, new AbortController().signal);
const { startStack } = await import('../start/stack.ts');
const { startFloor } = await import('./floor/start.ts');
const { comparisons } = await import('./comparisons.ts');

const folder = await mkdtemp(join(tmpdir(), 'agent-ticket-bench-'));
const stack = await startStack({
  ports: await freePorts(),
  secrets: makeSecrets(),
  stateDir: join(folder, 'stack'),
});
const floor = await startFloor(join(folder, 'floor'));
try {
  const results: Result[] = [];
  for (const comparison of await comparisons(stack.facts, floor.url)) {
    logProgress(`${comparison.name} …`);
    results.push(await compare(comparison, ROUNDS));
  }
  process.stdout.write(values.json ? `${JSON.stringify(results, null, 2)}\n` : table(results));
  process.exitCode = results.every(({ passed }) => passed) ? 0 : 1;
} finally {
  await Promise.all([stack.close(), floor.close()]);
  await rm(folder, { recursive: true });
}
