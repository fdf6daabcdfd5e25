import '../require-node.ts';
import { writeFileSync } from 'node:fs';
import { inspect } from 'node:util';
import { quietEnvironment } from '../quiet-environment.ts';
import { build } from '../start/build.ts';
import { type BenchOptions, readOptions, UsageError } from './options.ts';
import { changes, table } from './report.ts';
import { type Measure, measure, type Result } from './rounds.ts';
import type { Row } from './row.ts';
import { ROWS } from './rows.ts';
import type { Servers } from './servers.ts';
import { circumstances, readStored } from './stored.ts';

/** `npm run bench`: exits with 1 when a row is beyond its limit or fails, and with 2 for unknown options. */

/** To standard error, so that standard output has only the results. */
const logProgress = (line: string) => process.stderr.write(`${line}\n`);

async function run(options: BenchOptions): Promise<void> {
  const before = options.against === undefined ? undefined : readStored(options.against);
  Object.assign(process.env, quietEnvironment(process.env));
  logProgress('building …');
  await build(process.env, new AbortController().signal);
  // The tools of Cloudflare read the environment when they are imported.
  const { openServers } = await import('./servers.ts');
  const servers = await openServers();
  // Servers would go on without this process.
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => void servers.close().finally(() => process.exit(1)));
  const results: Result[] = [];
  try {
    for (const row of options.rows) {
      const result = await measured(row, servers, options);
      if (result !== undefined) results.push(result);
    }
  } finally {
    await servers.close();
  }
  const stored = { ...circumstances(), results };
  const text = `${JSON.stringify(stored, null, 2)}\n`;
  if (options.save !== undefined) writeFileSync(options.save, text);
  process.stdout.write(options.json ? text : table(results));
  if (before !== undefined) {
    const since = `since ${before.measuredAt} (${before.on.commit}, ${before.on.cores} cores, ${before.on.cpu}):`;
    (options.json ? process.stderr : process.stdout).write(`\n${since}\n${changes(results, before.results)}`);
  }
  const isComplete = results.length === options.rows.length;
  process.exitCode = isComplete && results.every(({ passed }) => passed) ? 0 : 1;
}

/** `undefined` for a row that fails: the others are measured all the same. */
async function measured(
  row: Row,
  servers: Servers,
  { rounds, forMs }: BenchOptions,
): Promise<Result | undefined> {
  logProgress(`${row.name} …`);
  try {
    const floors: Measure[] = [];
    const ours = await row.ours(servers, forMs);
    for (const { prepare } of row.floors) floors.push(await prepare(servers, forMs));
    const count = Math.min(rounds, row.rounds ?? rounds);
    return await measure(row, { ours, floors }, { count, warmUp: row.rounds === undefined });
  } catch (error) {
    logProgress(`${row.name} failed: ${inspect(error)}`);
    return undefined;
  }
}

try {
  await run(readOptions(process.argv.slice(2), ROWS));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  logProgress(error.message);
  process.exitCode = 2;
}
// Connections to servers that are gone are kept for a while otherwise.
process.exit();
