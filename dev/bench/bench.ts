import '../require-node.ts';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { freePorts } from '../e2e/free-ports.ts';
import { quietEnvironment } from '../quiet-environment.ts';
import { build } from '../start/build.ts';
import { makeSecrets } from '../start/secrets.ts';
import { table } from './report.ts';
import { hold, type Result } from './rounds.ts';

/** `npm run bench [-- --json] [-- --rounds 7]`: ends with 1 when something is slower than it has to be. */
const { values } = parseArgs({
  options: { json: { type: 'boolean', default: false }, rounds: { type: 'string', default: '7' } },
});
const ROUNDS = { count: Number(values.rounds), forMs: 1500 };
if (!Number.isInteger(ROUNDS.count) || ROUNDS.count < 1)
  throw new RangeError('--rounds takes a whole number');

/** Progress goes where it does not mix with results. */
const say = (line: string) => process.stderr.write(`${line}\n`);

Object.assign(process.env, quietEnvironment(process.env));
say('building …');
await build(process.env, new AbortController().signal);
const { startStack } = await import('../start/stack.ts');
const { startFloor } = await import('./floor/start.ts');
const { contests } = await import('./contests.ts');

const folder = await mkdtemp(join(tmpdir(), 'agent-ticket-bench-'));
const stack = await startStack({
  ports: await freePorts(),
  secrets: makeSecrets(),
  stateDir: join(folder, 'stack'),
});
const floor = await startFloor(join(folder, 'floor'));
try {
  const results: Result[] = [];
  for (const contest of await contests(stack.facts, floor.url)) {
    say(`${contest.name} …`);
    results.push(await hold(contest, ROUNDS));
  }
  process.stdout.write(values.json ? `${JSON.stringify(results, null, 2)}\n` : table(results));
  process.exitCode = results.every(({ holds }) => holds) ? 0 : 1;
} finally {
  await Promise.all([stack.close(), floor.close()]);
  await rm(folder, { recursive: true });
}
