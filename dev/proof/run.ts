import '../require-node.ts';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { quietEnvironment, ROOT } from '../quiet-environment.ts';
import { type Proof, proofOf, proofTable, type Ran, Report } from './proof.ts';
import { type File, SUITES } from './suites.ts';

/**
 * `npm run proof`: runs the suites of attacks and refusals, prints the table, and writes the figures from which `npm run
 * docs` generates the table of `docs/security/proof.md`. Exits with 1 if a case failed.
 */
const folder = await mkdtemp(join(tmpdir(), 'agent-ticket-proof-'));

/** Runs the files of one project. The report contains the failures. */
async function run(workspace: string, project: string | undefined, files: readonly File[]): Promise<Ran> {
  const output = join(folder, `${workspace}-${project ?? 'all'}.json`);
  const words = [
    'run',
    ...(project === undefined ? [] : ['--project', project]),
    '--reporter=json',
    `--outputFile=${output}`,
  ];
  const vitest = spawn('vitest', [...words, ...files.map(({ path }) => path)], {
    cwd: `${ROOT}${workspace}`,
    env: quietEnvironment(process.env),
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  await once(vitest, 'close');
  const report = Report.parse(JSON.parse(await readFile(output, 'utf8')));
  return { workspace: files[0]?.workspace ?? 'dev', ...(project !== undefined && { project }), report };
}

const byProject = new Map<string, File[]>();
for (const file of SUITES.flatMap(({ files }) => files)) {
  const name = `${file.workspace} ${file.project ?? ''}`.trim();
  byProject.set(name, [...(byProject.get(name) ?? []), file]);
}
const runs: Ran[] = [];
// One after the other, because each run starts runtimes that use the whole machine.
for (const [name, files] of byProject) {
  const [first] = files;
  if (first === undefined) continue;
  process.stdout.write(`${name} …\n`);
  runs.push(await run(first.workspace, first.project, files));
}
await rm(folder, { recursive: true });

const suites = proofOf(SUITES, runs, ROOT);
const commit = execFileSync('git', ['rev-parse', '--short=12', 'HEAD'], {
  cwd: ROOT,
  encoding: 'utf8',
}).trim();
const proof: Proof = { at: new Date().toISOString(), commit, suites };
await writeFile(`${ROOT}dev/proof/last.json`, `${JSON.stringify(proof, null, 2)}\n`);
process.stdout.write(`\n${proofTable(proof)}\n`);
if (suites.some(({ failed }) => failed > 0)) process.exitCode = 1;
