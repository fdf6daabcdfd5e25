import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { parseArgs } from 'node:util';
import { quietEnvironment, ROOT } from '../quiet-environment.ts';
import type { Mutant, Mutation } from './mutant.ts';
import { MUTANTS } from './rows.ts';

/*
 * npm run test:mutants [-- --only <text> …]: applies each mutant to a copy of the tree, runs its tests, and undoes it. The
 * tests must fail with the mutant, and pass without it; with one whose row says why it survives they must pass. `--only` takes
 * those whose file or original has one of the texts. A run of all writes its result to `last.json`.
 */

const { only } = parseArgs({ options: { only: { type: 'string', multiple: true, default: [''] } } }).values;
const chosen = MUTANTS.filter(({ file, original }) =>
  only.some((text) => file.includes(text) || original.includes(text)),
);
if (chosen.length === 0) throw new Error(`no mutant has ${only.join(' or ')} in its file or original text`);

const run = async (program: string, words: readonly string[], cwd: string) => {
  const child = spawn(program, words, {
    cwd,
    env: quietEnvironment(process.env),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [output] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { passed: child.exitCode === 0, output };
};

const copy = await mkdtemp(join(tmpdir(), 'agent-ticket-mutants-'));
const { output } = await run('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z'], ROOT);
for (const file of output.split('\0').filter((name) => name !== '')) {
  await mkdir(dirname(join(copy, file)), { recursive: true });
  await cp(join(ROOT, file), join(copy, file));
}
// Links between workspaces are relative: those of the copy lead to the copy.
for (const folder of ['', 'broker/', 'cli/', 'drizzle/', 'openapi-types/'])
  await run('cp', ['-al', join(ROOT, folder, 'node_modules'), join(copy, folder, 'node_modules')], ROOT);

const VITEST = join(copy, 'node_modules/.bin/vitest');

/** Whether tests pass, those of each workspace by themselves. */
async function pass(tests: readonly string[]): Promise<boolean> {
  const workspaces = [...new Set(tests.map((file) => file.slice(0, file.indexOf('/'))))];
  for (const workspace of workspaces) {
    const files = tests.flatMap((file) =>
      file.startsWith(`${workspace}/`) ? [file.slice(workspace.length + 1)] : [],
    );
    const { passed, output } = await run(VITEST, ['run', '--bail', '1', ...files], join(copy, workspace));
    if (passed) continue;
    // On a busy machine a runtime may not start: then no test has seen the mutant.
    if (!/^ *Test Files .*failed/m.test(output))
      throw new Error(`these tests did not run: ${files.join(' ')}\n${output}`);
    return false;
  }
  return true;
}

const nameOf = ({ file, original, replacement }: Mutant): string =>
  `${file}: ${JSON.stringify(original)} -> ${JSON.stringify(replacement)}`;

const sound = new Map<string, boolean>();
/** The last two are faults of the tests, or of a row. */
const counts = { killed: 0, named: 0, survived: 0, 'killed although named': 0 };
try {
  for (const mutant of chosen) {
    const { file, original, replacement, tests, survives } = mutant;
    const suite = tests.join(' ');
    if (!sound.has(suite)) sound.set(suite, await pass(tests));
    if (sound.get(suite) === false) throw new Error(`without a mutant these tests fail: ${suite}`);
    const source = await readFile(join(copy, file), 'utf8');
    await writeFile(
      join(copy, file),
      source.replace(original, () => replacement),
    );
    const isKilled = !(await pass(tests));
    await writeFile(join(copy, file), source);
    const named = isKilled ? 'killed although named' : 'named';
    const end = survives !== undefined ? named : isKilled ? 'killed' : 'survived';
    counts[end] += 1;
    process.stdout.write(`${end}: ${nameOf(mutant)}${survives === undefined ? '' : ` (${survives})`}\n`);
  }
} finally {
  await rm(copy, { recursive: true });
}
if (chosen.length === MUTANTS.length) {
  const { killed, named, survived, 'killed although named': misnamed } = counts;
  const at = new Date().toISOString();
  const result: Mutation = { at, killed: killed + misnamed, named, survived };
  await writeFile(`${ROOT}dev/mutants/last.json`, `${JSON.stringify(result, null, 2)}\n`);
}
const words = Object.entries(counts).map(([end, count]) => `${count} ${end}`);
process.stdout.write(`${chosen.length} mutants: ${words.join(', ')}\n`);
process.exitCode = counts.survived + counts['killed although named'] === 0 ? 0 : 1;
