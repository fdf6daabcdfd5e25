import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';
import { build, type UserConfig } from 'tsdown';
import { quietEnvironment, ROOT } from '../quiet-environment.ts';
import { entriesOf, fileOf, publishedManifest, readManifest } from './manifest.ts';
import type { PackageSpec } from './packages.ts';

const run = promisify(execFile);

type Declarations = Exclude<Extract<UserConfig['dts'], object>['generator'], string | undefined>;

/**
 * Makes one package, types included, in a folder below the top folder, which it empties first. Resolves with the path of the
 * tarball. Two runs on one state of the sources make the same bytes.
 */
export async function makePackage(spec: PackageSpec, folder: string): Promise<string> {
  await rm(folder, { recursive: true, force: true });
  const content = join(folder, 'content');
  await mkdir(content, { recursive: true });
  const imported = await bundle(spec, folder, content);
  for (const [from, to] of spec.copied ?? []) {
    await cp(`${ROOT}${from}`, join(content, to), {
      recursive: true,
      filter: (path) => !/snapshot|meta\.json$/.test(path),
    });
  }
  await cp(`${ROOT}${spec.workspace}/PACKAGE.md`, join(content, 'README.md'));
  await cp(`${ROOT}LICENSE`, join(content, 'LICENSE'));
  // Written by the first release.
  const changelog = `${ROOT}${spec.workspace}/CHANGELOG.md`;
  if (existsSync(changelog)) await cp(changelog, join(content, 'CHANGELOG.md'));
  const manifest = await publishedManifest(spec.workspace, imported);
  await writeFile(join(content, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  const { stdout } = await run('npm', ['pack', '--silent', '--pack-destination', folder], {
    cwd: content,
    env: quietEnvironment(process.env),
  });
  return join(folder, stdout.trim());
}

/** Of the typed variant only the types differ, and the bundler's own aliases do not reach what stays outside. */
const UNTYPED_COMMANDER = {
  name: 'untyped-commander',
  resolveId: {
    order: 'pre',
    filter: { id: /^@commander-js\/extra-typings$/ },
    handler: () => ({ id: 'commander', external: true }),
  },
} as const;

/** Bundles the entries and their declarations. Answers the modules that the result imports. */
async function bundle(spec: PackageSpec, folder: string, content: string): Promise<readonly string[]> {
  const workspace = `${ROOT}${spec.workspace}`;
  const entries = entriesOf(await readManifest(spec.workspace));
  const { bundles } = await build({
    config: false,
    cwd: workspace,
    entry: Object.fromEntries(entries.map(([entry, source]) => [fileOf(entry), source])),
    outDir: content,
    format: 'esm',
    platform: 'neutral',
    fixedExtension: false,
    // Ours are bundled, and nothing of other people is.
    deps: {
      neverBundle: /^(?!@agent-ticket\/|@commander-js\/)@?[a-z]/,
      alwaysBundle: /^@agent-ticket\//,
      onlyBundle: [],
    },
    plugins: [UNTYPED_COMMANDER],
    checks: { pluginTimings: false },
    // No module of ours is imported for its effects alone.
    treeshake: { moduleSideEffects: false },
    dts: { generator: await declarations(spec, join(folder, 'types')) },
    clean: false,
    report: false,
    logLevel: 'warn',
    failOnWarn: true,
  });
  const files = bundles
    .flatMap(({ chunks }) => chunks)
    .flatMap((chunk) => (chunk.type === 'chunk' ? [chunk] : []));
  const own = new Set(files.map(({ fileName }) => fileName));
  const imported = files.flatMap((file) => [...file.imports, ...file.dynamicImports]);
  return imported.filter((specifier) => !own.has(specifier));
}

/** Declarations of the sources by the compiler of the project, for the bundler. */
async function declarations({ workspace, ambient = [] }: PackageSpec, types: string): Promise<Declarations> {
  const sources = entriesOf(await readManifest(workspace)).map(([, source]) => join(workspace, source));
  const config = `${types}.tsconfig.json`;
  const compile = async (files: readonly string[], ...options: readonly string[]): Promise<string> => {
    const extended = { extends: `${ROOT}${workspace}/tsconfig.json`, files, include: [] };
    await writeFile(config, JSON.stringify(extended));
    const { stdout } = await run('tsc', ['-p', config, ...options], {
      cwd: ROOT,
      env: quietEnvironment(process.env),
    }).catch(({ stdout }) => {
      throw new Error(`the types of ${workspace} cannot be declared: ${stdout}`);
    });
    return stdout;
  };
  return {
    init: async () => {
      const named = [...sources, ...ambient].map((source) => join(ROOT, source));
      // The other workspaces are packages for the compiler, and it declares only those files of packages that are named.
      const read = (await compile(named, '--listFilesOnly')).split('\n');
      const ours = read.filter((path) => path.startsWith(ROOT) && !path.includes('/node_modules/'));
      const emitting = ['--noEmit', 'false', '--declaration', '--emitDeclarationOnly'];
      await compile(ours, ...emitting, '--rootDir', ROOT, '--outDir', types);
    },
    emit: async (_code, file) => ({
      code: await readFile(join(types, relative(ROOT, file).replace(/\.ts$/, '.d.ts')), 'utf8'),
    }),
  };
}
