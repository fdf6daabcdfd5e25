import * as z from 'zod';
import type { Fault } from './fault.ts';
import type { SourceFile } from './repository.ts';

const Manifest = z.object({
  name: z.string(),
  workspaces: z.array(z.string()).optional(),
  scripts: z.record(z.string(), z.string()).default({}),
});

/** Scripts of the top folder (`''`) and of each workspace, by folder and by package name. */
export function scriptsOf(files: readonly SourceFile[]): Map<string, Readonly<Record<string, string>>> {
  const manifests = files
    .filter(({ path }) => /^([^/]+\/)?package\.json$/.test(path))
    .map(({ path, text }) => ({ folder: path.replace(/\/?package\.json$/, ''), ...readManifest(text) }));
  return new Map(
    manifests.flatMap(({ folder, name, scripts }) => [[folder, scripts] as const, [name, scripts]]),
  );
}

const readManifest = (text: string) => Manifest.parse(JSON.parse(text));

const DEPLOYED = ['broker', 'agent-worker'];
const DRY_RUN = ['wrangler deploy', '--dry-run', '--outdir dist', '--metafile'];

/** turbo passes over a workspace without the script it runs: what must run must be there. */
export function typecheckFaults(files: readonly SourceFile[]): Fault[] {
  const root = files.find(({ path }) => path === 'package.json');
  const workspaces = root === undefined ? [] : (readManifest(root.text).workspaces ?? []);
  if (workspaces.length === 0) return [{ file: 'package.json', message: 'names no workspaces' }];
  const scripts = scriptsOf(files);
  return workspaces
    .filter((folder) => !scripts.get(folder)?.typecheck?.includes('tsc'))
    .map((folder) => ({
      file: `${folder}/package.json`,
      message: 'has no script "typecheck" that runs tsc',
    }));
}

export function dryRunFaults(files: readonly SourceFile[]): Fault[] {
  const scripts = scriptsOf(files);
  return DEPLOYED.flatMap((folder) =>
    DRY_RUN.filter((part) => !scripts.get(folder)?.build?.includes(part)).map((part) => ({
      file: `${folder}/package.json`,
      message: `script "build" lacks "${part}"`,
    })),
  );
}
