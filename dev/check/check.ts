import '../require-node.ts';
import { clauseFaults } from '../clauses/render.ts';
import { ROOT } from '../quiet-environment.ts';
import { BUNDLE_RULES, bundleFaults, readBundle } from './bundle.ts';
import { checkBlocks } from './code-blocks.ts';
import { circleFaults, directionFaults } from './direction.ts';
import { commandFaults, linkFaults, sectionFaults } from './documents.ts';
import { nameFaults, selfContainmentFaults } from './files.ts';
import { checkFirstLoad } from './first-load.ts';
import { lookModules } from './look.ts';
import { dryRunFaults, registryHostFaults, typecheckFaults, undeclaredFaults } from './manifests.ts';
import { checkOpenApi, staleFaults } from './openapi.ts';
import { indexFaults, lengthFaults, pictureFaults, promiseFaults, tableFaults } from './pages.ts';
import { checkProse } from './prose.ts';
import { checkPython } from './python.ts';
import {
  type Command,
  checkReport,
  type Fault,
  type Outcome,
  outcomeOf,
  runCommand,
  summary,
} from './report.ts';
import { readRepository, type SourceFile } from './repository.ts';

type Files = readonly SourceFile[];
type Check = (files: Files) => Promise<Outcome>;

const reading =
  (...finders: readonly ((files: Files) => Fault[])[]): Check =>
  async (files) =>
    outcomeOf(finders.flatMap((find) => find(files)));

/** Runs a command unless its precondition has faults. */
const running =
  (find: (files: Files) => Fault[], ...command: Command): Check =>
  async (files) => {
    const ready = outcomeOf(find(files));
    return ready.passed ? runCommand(command) : ready;
  };

const noFaults = (): Fault[] => [];
/** turbo shows the output of failed tasks only. */
const turbo = (...tasks: string[]): Command => ['turbo', 'run', ...tasks, '--output-logs=errors-only'];
const build = turbo('build', '--filter=./broker', '--filter=./agent-worker');

/** Builds again (turbo answers from its cache), so that the check never reads an old bundle. */
const bundleContents: Check = async () => {
  const built = runCommand(build);
  if (!built.passed) return { passed: false, output: 'the build failed: see deploy-dry-run' };
  const bundles = BUNDLE_RULES.map(async (rules) =>
    bundleFaults(rules, await readBundle(`${ROOT}${rules.workspace}/dist`)),
  );
  return outcomeOf([...(await Promise.all(bundles)).flat(), ...(await checkFirstLoad(ROOT))]);
};

/** In the order in which they run and are shown. */
const CHECKS: Readonly<Record<string, Check>> = {
  format: running(noFaults, 'biome', 'format', '.'),
  lint: running(noFaults, 'biome', 'lint', '--error-on-warnings', '.'),
  types: running(typecheckFaults, ...turbo('typecheck', '--continue')),
  direction: reading(directionFaults, circleFaults),
  declared: reading(undeclaredFaults),
  names: reading(nameFaults),
  docs: reading(sectionFaults, linkFaults, commandFaults),
  pages: reading(tableFaults, pictureFaults, lengthFaults, indexFaults, promiseFaults, (files) =>
    clauseFaults(files),
  ),
  prose: checkProse,
  openapi: checkOpenApi,
  look: async (files) => outcomeOf(staleFaults(files, await lookModules(files))),
  python: checkPython,
  'code-blocks': checkBlocks,
  'self-containment': reading(selfContainmentFaults),
  'registry-hosts': reading(registryHostFaults),
  'deploy-dry-run': running(dryRunFaults, ...build),
  'bundle-contents': bundleContents,
};

/** `npm run check [-- <name>…]`: runs all checks, or the named ones, to the end, and fails when one failed. */
const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !Object.hasOwn(CHECKS, name));
if (unknown.length > 0) {
  process.stderr.write(`no check ${unknown.join(', ')}; there are ${Object.keys(CHECKS).join(', ')}\n`);
  process.exit(2);
}

const coloured = process.stdout.isTTY && !process.env.NO_COLOR;
const files = await readRepository().catch((error: Error) => {
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
});
const outcomes: Outcome[] = [];

for (const [name, check] of Object.entries(CHECKS)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const outcome = await check(files).catch(brokenCheck);
  outcomes.push(outcome);
  process.stdout.write(`${checkReport(name, outcome, coloured)}\n`);
}

process.stdout.write(`\n${summary(outcomes)}\n`);
if (outcomes.some(({ passed }) => !passed)) process.exitCode = 1;

/** A check that throws has failed. */
function brokenCheck(error: unknown): Outcome {
  return { passed: false, output: error instanceof Error ? error.message : String(error) };
}
