import { isBuiltin } from 'node:module';
import * as z from 'zod';
import type { Fault } from './report.ts';
import { lineOf, type SourceFile } from './repository.ts';
import { isCode, parseCode, specifiersOf } from './syntax.ts';

const Texts = z.record(z.string(), z.string()).default({});
const Manifest = z.object({
  name: z.string(),
  workspaces: z.array(z.string()).default([]),
  scripts: Texts,
  dependencies: Texts,
  devDependencies: Texts,
});

interface Manifest extends z.infer<typeof Manifest> {
  /** Without a `/` at its end; empty for the top folder. */
  readonly folder: string;
}

const manifestsOf = (files: readonly SourceFile[]): Manifest[] =>
  files
    .filter(({ path }) => /(^|\/)package\.json$/.test(path))
    .map(({ path, text }) => ({
      folder: path.replace(/\/?package\.json$/, ''),
      ...Manifest.parse(JSON.parse(text)),
    }));

/** Packages that no manifest names, each with the reason. */
const TRANSITIVE: Readonly<Record<string, string>> = {
  rolldown: 'a dependency of the test runner; "overrides" of the top folder pins its version',
};

/**
 * Imports of packages that neither the nearest package.json names nor the one of the top folder, which has the shared
 * tools. Such packages resolve only while another package depends on them, in the version of that one.
 */
export function undeclaredFaults(files: readonly SourceFile[]): Fault[] {
  const manifests = manifestsOf(files);
  return files.flatMap((file) => {
    if (!isCode(file.path)) return [];
    const declared = declaredNames(file.path, manifests);
    return importsOf(file)
      .filter(({ name }) => !declared.has(name) && !Object.hasOwn(TRANSITIVE, name))
      .map(({ name, at }) => ({
        file: file.path,
        line: lineOf(file.text, at),
        message: `imports ${name}, which its package.json does not name`,
      }));
  });
}

/** The names of packages that a file may import, with the one of its own package. */
function declaredNames(path: string, manifests: readonly Manifest[]): ReadonlySet<string> {
  const above = manifests
    .filter(({ folder }) => folder === '' || path.startsWith(`${folder}/`))
    .toSorted((a, b) => b.folder.length - a.folder.length);
  const [nearest, top] = [above[0], above.find(({ folder }) => folder === '')];
  return new Set(
    [nearest, top].flatMap((manifest) =>
      manifest === undefined
        ? []
        : [manifest.name, ...Object.keys({ ...manifest.dependencies, ...manifest.devDependencies })],
    ),
  );
}

const importsOf = (file: SourceFile): { readonly name: string; readonly at: number }[] =>
  specifiersOf(parseCode(file).program).flatMap(({ text = '', at }) => {
    const name = packageOf(text);
    return name === undefined ? [] : [{ name, at }];
  });

/** `undefined` for a path, a module of the runtime (`node:fs`, `fs`, `cloudflare:workers`) and what is computed. */
const packageOf = (specifier: string): string | undefined =>
  specifier.includes(':') || isBuiltin(specifier)
    ? undefined
    : /^(@[\w.-]+\/)?[\w-][\w.-]*/.exec(specifier)?.[0];

/** Scripts of the top folder (`''`) and of each workspace, by folder and by package name. */
export const scriptsOf = (files: readonly SourceFile[]): Map<string, Readonly<Record<string, string>>> =>
  new Map(
    manifestsOf(files)
      .filter(({ folder }) => !folder.includes('/'))
      .flatMap(({ folder, name, scripts }) => [[folder, scripts] as const, [name, scripts]]),
  );

const DEPLOYED = ['broker', 'agent-worker'];
const DRY_RUN = ['wrangler deploy', '--dry-run', '--outdir dist', '--metafile'];

/** Workspaces without type check: turbo skips a workspace that lacks the script. */
export function typecheckFaults(files: readonly SourceFile[]): Fault[] {
  const workspaces = manifestsOf(files).find(({ folder }) => folder === '')?.workspaces ?? [];
  if (workspaces.length === 0) return [{ file: 'package.json', message: 'names no workspaces' }];
  const scripts = scriptsOf(files);
  return workspaces
    .filter((folder) => !scripts.get(folder)?.typecheck?.includes('tsc'))
    .map((folder) => ({
      file: `${folder}/package.json`,
      message: 'has no script "typecheck" that runs tsc',
    }));
}

/** Deployed workers whose build is not a dry run of wrangler with a report of its inputs. */
export function dryRunFaults(files: readonly SourceFile[]): Fault[] {
  const scripts = scriptsOf(files);
  return DEPLOYED.flatMap((folder) =>
    DRY_RUN.filter((part) => !scripts.get(folder)?.build?.includes(part)).map((part) => ({
      file: `${folder}/package.json`,
      message: `script "build" lacks "${part}"`,
    })),
  );
}

const Lockfile = z.object({
  packages: z.record(
    z.string(),
    z.object({
      resolved: z.string().optional(),
      link: z.boolean().optional(),
      inBundle: z.boolean().optional(),
      integrity: z.string().optional(),
    }),
  ),
});

const SETTING = 'omit-lockfile-registry-resolved=true';

/**
 * Download hosts in the lockfile, so that an install uses the registry that the machine is configured for, and packages
 * without a hash, so that this registry need not be trusted.
 */
export function registryHostFaults(files: readonly SourceFile[]): Fault[] {
  return [...settingFaults(files), ...lockfileFaults(files)];
}

function settingFaults(files: readonly SourceFile[]): Fault[] {
  const npmrc = files.find(({ path }) => path === '.npmrc')?.text.split('\n') ?? [];
  const fault = (message: string): Fault => ({ file: '.npmrc', message });
  return [
    ...(npmrc.includes(SETTING)
      ? []
      : [fault(`lacks ${SETTING}, without which npm writes hosts into the lockfile`)]),
    ...npmrc
      .filter((line) => /registry\s*=\s*http|^\/\//.test(line))
      .map((line) => fault(`names a registry: ${line}`)),
  ];
}

function lockfileFaults(files: readonly SourceFile[]): Fault[] {
  const lockfile = files.find(({ path }) => path === 'package-lock.json');
  if (lockfile === undefined) return [{ file: 'package-lock.json', message: 'is missing' }];
  return Object.entries(Lockfile.parse(JSON.parse(lockfile.text)).packages).flatMap(([name, entry]) => {
    const fault = (message: string): Fault => ({ file: lockfile.path, message: `${name} ${message}` });
    if (/^[a-z+]+:/i.test(entry.resolved ?? '')) return [fault(`is downloaded from ${entry.resolved}`)];
    const ownOrBundled = !name.includes('node_modules/') || entry.link === true || entry.inBundle === true;
    return ownOrBundled || entry.integrity !== undefined ? [] : [fault('has no integrity hash')];
  });
}
