import { execFile } from 'node:child_process';
import { cp, glob, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import * as z from 'zod';
import { quietEnvironment, ROOT } from '../quiet-environment.ts';

const run = promisify(execFile);
const WORKER = `${ROOT}agent-worker`;

/** Dependencies of the package, which an app shares with its other code; everything else is bundled. */
const DEPENDENCIES = ['agents', 'jose', 'zod'] as const;

/** The folder of each workspace's declarations, by its `exports`. */
const DECLARATION_FOLDERS: readonly (readonly [specifier: string, folder: string])[] = [
  ['@agent-ticket/shared/', 'shared/src/'],
  ['@agent-ticket/drizzle/', 'drizzle/'],
];

const Manifest = z.object({
  name: z.string(),
  version: z.string(),
  license: z.string(),
  dependencies: z.record(z.string(), z.string()),
});

/**
 * Makes the package of the agent worker's library, types included, in a folder that it empties first. Resolves with the
 * path of the tarball.
 */
export async function packLibrary(folder: string): Promise<string> {
  await rm(folder, { recursive: true, force: true });
  const content = join(folder, 'content');
  await mkdir(content, { recursive: true });
  await Promise.all([
    build({
      entryPoints: [`${WORKER}/src/library.ts`],
      outfile: join(content, 'index.js'),
      bundle: true,
      format: 'esm',
      target: 'es2022',
      external: [...DEPENDENCIES, 'cloudflare:*', 'node:*'],
      logLevel: 'warning',
    }),
    declareTypes(join(content, 'types')),
    cp(`${ROOT}docs/adopt.md`, join(content, 'README.md')),
    cp(`${ROOT}LICENSE`, join(content, 'LICENSE')),
  ]);
  await writeFile(join(content, 'package.json'), `${JSON.stringify(await manifest(), null, 2)}\n`);
  const { stdout } = await run('npm', ['pack', '--silent', '--pack-destination', folder], {
    cwd: content,
    env: quietEnvironment(process.env),
  });
  return join(folder, stdout.trim());
}

async function manifest(): Promise<object> {
  const read = async (workspace: string) =>
    Manifest.parse(JSON.parse(await readFile(`${ROOT}${workspace}/package.json`, 'utf8')));
  const [worker, shared] = [await read('agent-worker'), await read('shared')];
  const { name, version, license } = worker;
  const { agents } = worker.dependencies;
  const { jose, zod } = shared.dependencies;
  return {
    name,
    version,
    license,
    type: 'module',
    exports: { '.': { types: './types/agent-worker/src/library.d.ts', default: './index.js' } },
    dependencies: { jose, zod },
    peerDependencies: { agents },
  };
}

/** Declarations with relative imports, because an app has no workspaces of this repository. */
async function declareTypes(folder: string): Promise<void> {
  await run('tsc', ['-p', 'tsconfig.library.json', '--outDir', folder], {
    cwd: WORKER,
    env: quietEnvironment(process.env),
  });
  for await (const file of glob('**/*.d.ts', { cwd: folder })) {
    const path = join(folder, file);
    const text = await readFile(path, 'utf8');
    const above = relative(dirname(file), '.') || '.';
    await writeFile(
      path,
      text.replaceAll(/(["'])([^"'\n]+)\.ts\1/g, (all, quote: string, specifier: string) => {
        const home = DECLARATION_FOLDERS.find(([start]) => specifier.startsWith(start));
        const target =
          home === undefined ? specifier : `${above}/${home[1]}${specifier.slice(home[0].length)}`;
        return target.startsWith('.') ? `${quote}${target}.js${quote}` : all;
      }),
    );
  }
}
