import { ROOT } from '../quiet-environment.ts';
import { checkBlocks } from './blocks/blocks.ts';
import { bundleFaults, readBundle } from './bundle/bundle.ts';
import { BUNDLE_RULES } from './bundle/rules.ts';
import { runCommand } from './command.ts';
import { undeclaredFaults } from './declared.ts';
import { directionFaults } from './direction/direction.ts';
import { commandFaults } from './docs/commands.ts';
import { linkFaults } from './docs/links.ts';
import { sectionFaults } from './docs/sections.ts';
import type { Fault } from './fault.ts';
import { nameFaults } from './names.ts';
import { registryHostFaults } from './registry-hosts.ts';
import { type Outcome, outcomeOf } from './report.ts';
import type { SourceFile } from './repository.ts';
import { selfContainmentFaults } from './self-containment.ts';
import { dryRunFaults, typecheckFaults } from './workspaces.ts';

type Files = readonly SourceFile[];
type Check = (files: Files) => Promise<Outcome>;

const reading =
  (...finders: readonly ((files: Files) => Fault[])[]): Check =>
  async (files) =>
    outcomeOf(finders.flatMap((find) => find(files)));

/** What must be there for the command to mean anything comes before the command. */
const running =
  (find: (files: Files) => Fault[], ...command: [string, ...string[]]): Check =>
  async (files) => {
    const ready = outcomeOf(find(files));
    return ready.passed ? runCommand(...command) : ready;
  };

const nothing = (): Fault[] => [];
/** turbo tells only of what failed; the rest would bury it. */
const turbo = (...tasks: string[]): [string, ...string[]] => [
  'turbo',
  'run',
  ...tasks,
  '--output-logs=errors-only',
];
const build = turbo('build', '--filter=./broker', '--filter=./agent-worker');

/** Builds once more (turbo answers from its cache), so that an old bundle is never taken for the present one. */
const bundleContents: Check = async () => {
  const built = await runCommand(...build);
  if (!built.passed) return { passed: false, output: 'no bundle of the present sources: see deploy-dry-run' };
  const bundles = BUNDLE_RULES.map(async (rules) =>
    bundleFaults(rules, await readBundle(`${ROOT}${rules.workspace}/dist`)),
  );
  return outcomeOf((await Promise.all(bundles)).flat());
};

/** In the order in which they run and are shown. */
export const CHECKS: Readonly<Record<string, Check>> = {
  format: running(nothing, 'biome', 'format', '.'),
  lint: running(nothing, 'biome', 'lint', '--error-on-warnings', '.'),
  types: running(typecheckFaults, ...turbo('typecheck', '--continue')),
  direction: reading(directionFaults),
  declared: reading(undeclaredFaults),
  names: reading(nameFaults),
  docs: reading(sectionFaults, linkFaults, commandFaults),
  'code-blocks': checkBlocks,
  'self-containment': reading(selfContainmentFaults),
  'registry-hosts': reading(registryHostFaults),
  'deploy-dry-run': running(dryRunFaults, ...build),
  'bundle-contents': bundleContents,
};
