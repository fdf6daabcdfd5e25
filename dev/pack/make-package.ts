import { execFile } from 'node:child_process';
import { cp, glob, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import * as z from 'zod';
import { quietEnvironment, ROOT } from '../quiet-environment.ts';
import type { PackageSpec } from './packages.ts';

const run = promisify(execFile);

const REPOSITORY = 'https://github.com/agent-ticket/agent-ticket-broker';

/** The folder of each workspace's sources, by its `exports`. */
const SOURCE_FOLDERS: readonly (readonly [specifier: string, folder: string])[] = [
  ['@agent-ticket/shared/', 'shared/src/'],
  ['@agent-ticket/drizzle/', 'drizzle/'],
  ['@agent-ticket/broker/', 'broker/'],
];

const Manifest = z.object({
  version: z.string(),
  license: z.string(),
  dependencies: z.record(z.string(), z.string()).default({}),
});
type Manifest = z.infer<typeof Manifest>;

/**
 * Makes one package, types included, in a folder below the top folder, which it empties first. Resolves with the path of the
 * tarball. Two runs on one state of the sources make the same bytes.
 */
export async function makePackage(spec: PackageSpec, folder: string): Promise<string> {
  await rm(folder, { recursive: true, force: true });
  const content = join(folder, 'content');
  await mkdir(content, { recursive: true });
  const bundled = await bundle(spec, content);
  await declareTypes(spec, folder, join(content, 'types'));
  for (const [from, to] of spec.copied ?? []) {
    await cp(`${ROOT}${from}`, join(content, to), {
      recursive: true,
      filter: (path) => !/snapshot/.test(path),
    });
  }
  await cp(`${ROOT}${spec.workspace}/PACKAGE.md`, join(content, 'README.md'));
  await cp(`${ROOT}LICENSE`, join(content, 'LICENSE'));
  const manifest = await manifestOf(spec, bundled);
  await writeFile(join(content, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  const { stdout } = await run('npm', ['pack', '--silent', '--pack-destination', folder], {
    cwd: content,
    env: quietEnvironment(process.env),
  });
  return join(folder, stdout.trim());
}

/** `./react` → `react`, the name of an entry's file; of the main entry `index`. */
const fileOf = (entry: string): string => (entry === '.' ? 'index' : entry.slice(2));

/** Bundles the entries, which share their common parts. Answers the packages that the result imports. */
async function bundle(
  { entries, workspace, node }: PackageSpec,
  content: string,
): Promise<readonly string[]> {
  const external = await externalOf(workspace);
  const { metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: Object.entries(entries).map(([entry, source]) => ({ in: source, out: fileOf(entry) })),
    outdir: content,
    bundle: true,
    splitting: true,
    chunkNames: 'shared-[hash]',
    format: 'esm',
    target: 'es2022',
    platform: 'neutral',
    conditions: ['module', 'import'],
    // Of the typed variant only the types differ.
    alias: { '@commander-js/extra-typings': 'commander' },
    external: [...external, 'cloudflare:*', 'node:*'],
    metafile: true,
    logLevel: 'warning',
    ...(node.startsWith('>=22') ? { target: 'node22' } : {}),
  });
  const foreign = Object.keys(metafile.inputs).find((path) => path.includes('node_modules/'));
  if (foreign !== undefined)
    throw new Error(`${workspace} would contain ${foreign}: name it as a dependency`);
  const imported = Object.values(metafile.outputs).flatMap(({ imports }) =>
    imports.filter((each) => each.external).map(({ path }) => packageOf(path)),
  );
  return [...new Set(imported)];
}

/** `@scope/name/path` → `@scope/name`. */
const packageOf = (path: string): string => /^(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? path;

const readManifest = async (workspace: string): Promise<Manifest> =>
  Manifest.parse(JSON.parse(await readFile(`${ROOT}${workspace}/package.json`, 'utf8')));

/** Every package of other people that a workspace, or one of ours that is bundled into it, depends on. */
async function versionsOf(workspace: string): Promise<ReadonlyMap<string, string>> {
  const { dependencies } = await readManifest(workspace);
  const ours = Object.keys(dependencies).flatMap((name) => /^@agent-ticket\/(.+)$/.exec(name)?.[1] ?? []);
  const below = await Promise.all(ours.map(versionsOf));
  const own = Object.entries(dependencies).filter(([name]) => !name.startsWith('@agent-ticket/'));
  return new Map([...below.flatMap((versions) => [...versions]), ...own]);
}

const externalOf = async (workspace: string): Promise<string[]> => [
  ...(await versionsOf(workspace)).keys(),
  'react',
  'vue',
];

async function manifestOf(spec: PackageSpec, imported: readonly string[]): Promise<object> {
  const { version, license } = await readManifest(spec.workspace);
  const versions = await versionsOf(spec.workspace);
  const peers = Object.entries(spec.peers ?? {});
  const dependencies = [...versions]
    .filter(([name]) => imported.includes(name) && spec.peers?.[name] === undefined)
    .toSorted(([a], [b]) => a.localeCompare(b))
    .map(([name, exact]) => [name, `^${exact}`]);
  const optional = peers.filter(([, { optional }]) => optional).map(([name]) => [name, { optional: true }]);
  return {
    name: spec.name,
    version,
    description: spec.description,
    license,
    repository: { type: 'git', url: `git+${REPOSITORY}.git`, directory: spec.workspace },
    homepage: `${REPOSITORY}#readme`,
    bugs: `${REPOSITORY}/issues`,
    type: 'module',
    sideEffects:
      spec.bin === undefined
        ? false
        : [...new Set(Object.values(spec.bin))].map((entry) => `./${fileOf(entry)}.js`),
    engines: { node: spec.node },
    exports: Object.fromEntries(
      Object.entries(spec.entries).map(([entry, source]) => [
        entry,
        { types: `./types/${source.replace(/\.ts$/, '.d.ts')}`, default: `./${fileOf(entry)}.js` },
      ]),
    ),
    ...(spec.bin && {
      bin: Object.fromEntries(
        Object.entries(spec.bin).map(([command, entry]) => [command, `${fileOf(entry)}.js`]),
      ),
    }),
    ...(dependencies.length > 0 && { dependencies: Object.fromEntries(dependencies) }),
    ...(peers.length > 0 && {
      peerDependencies: Object.fromEntries(peers.map(([name, { range }]) => [name, range])),
    }),
    ...(optional.length > 0 && { peerDependenciesMeta: Object.fromEntries(optional) }),
    publishConfig: { access: 'public', provenance: true },
  };
}

/** Declarations with relative imports, because an app has no workspaces of this repository. */
async function declareTypes(spec: PackageSpec, folder: string, types: string): Promise<void> {
  const config = join(folder, 'tsconfig.json');
  await writeFile(
    config,
    JSON.stringify({
      extends: `${ROOT}tsconfig.json`,
      files: [...Object.values(spec.entries), ...(spec.ambient ?? [])].map((source) => `${ROOT}${source}`),
      compilerOptions: {
        types: spec.types,
        lib: spec.libraries,
        noEmit: false,
        declaration: true,
        emitDeclarationOnly: true,
        rootDir: ROOT,
        outDir: types,
      },
    }),
  );
  await run('tsc', ['-p', config], { cwd: ROOT, env: quietEnvironment(process.env) }).catch(({ stdout }) => {
    throw new Error(`the types of ${spec.name} cannot be declared: ${stdout}`);
  });
  for await (const file of glob('**/*.d.ts', { cwd: types })) {
    const path = join(types, file);
    const text = await readFile(path, 'utf8');
    const above = relative(dirname(file), '.') || '.';
    await writeFile(
      path,
      text.replaceAll(/(["'])([^"'\n]+)\.ts\1/g, (all, quote: string, specifier: string) => {
        const home = SOURCE_FOLDERS.find(([start]) => specifier.startsWith(start));
        const target =
          home === undefined ? specifier : `${above}/${home[1]}${specifier.slice(home[0].length)}`;
        return target.startsWith('.') ? `${quote}${target}.js${quote}` : all;
      }),
    );
  }
}
