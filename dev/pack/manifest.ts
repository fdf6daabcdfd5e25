import { readFile } from 'node:fs/promises';
import * as z from 'zod';
import { ROOT } from '../quiet-environment.ts';

const REPOSITORY = 'https://github.com/agent-ticket/agent-ticket-broker';

const Texts = z.record(z.string(), z.string());
const Manifest = z.object({
  name: z.string(),
  version: z.string(),
  license: z.string(),
  description: z.string().optional(),
  exports: Texts.default({}),
  bin: Texts.optional(),
  engines: Texts.optional(),
  dependencies: Texts.default({}),
  peerDependencies: Texts.optional(),
  peerDependenciesMeta: z.record(z.string(), z.object({ optional: z.boolean() })).optional(),
});
export type Manifest = z.infer<typeof Manifest>;

export const readManifest = async (workspace: string): Promise<Manifest> =>
  Manifest.parse(JSON.parse(await readFile(`${ROOT}${workspace}/package.json`, 'utf8')));

/**
 * The published entries of a workspace with their sources, from its folder: of its `exports` those that name one file.
 * The patterns beside them are for the other workspaces.
 */
export const entriesOf = ({ exports }: Manifest): readonly (readonly [entry: string, source: string])[] =>
  Object.entries(exports).filter(([entry]) => !entry.includes('*'));

/** `./react` → `react`, the name of an entry's file; of the main entry `index`. */
export const fileOf = (entry: string): string => (entry === '.' ? 'index' : entry.slice(2));

/** `@scope/name/path` → `@scope/name`. */
const packageOf = (path: string): string => /^(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? path;

/** The versions of every package that a workspace, or one of ours that is bundled into it, depends on. */
async function versionsOf({ dependencies }: Manifest): Promise<ReadonlyMap<string, string>> {
  const ours = Object.keys(dependencies).flatMap((name) => /^@agent-ticket\/(.+)$/.exec(name)?.[1] ?? []);
  const below = await Promise.all(ours.map(async (name) => versionsOf(await readManifest(name))));
  const own = Object.entries(dependencies).filter(([name]) => !name.startsWith('@agent-ticket/'));
  return new Map([...below.flatMap((versions) => [...versions]), ...own]);
}

/** A caret range of each imported package that is neither a peer nor a module of the runtime. */
async function dependenciesOf(
  manifest: Manifest,
  imported: readonly string[],
): Promise<Record<string, string>> {
  const versions = await versionsOf(manifest);
  const names = new Set(imported.filter((path) => !path.includes(':')).map(packageOf));
  const missing = [...names].filter((name) => manifest.peerDependencies?.[name] === undefined);
  return Object.fromEntries(
    missing.toSorted().map((name) => {
      const exact = versions.get(name);
      if (exact === undefined) throw new Error(`${manifest.name} imports ${name}, which no manifest names`);
      return [name, `^${exact}`];
    }),
  );
}

/** The manifest that is published: that of the workspace, with the built files and what these import. */
export async function publishedManifest(workspace: string, imported: readonly string[]): Promise<object> {
  const manifest = await readManifest(workspace);
  const { name, version, description, license, engines, bin, peerDependencies, peerDependenciesMeta } =
    manifest;
  const dependencies = await dependenciesOf(manifest, imported);
  const entries = entriesOf(manifest);
  const builtOf = (source: string): string => {
    const entry = entries.find((each) => each[1] === `./${source}`)?.[0];
    if (entry === undefined) throw new Error(`${name} has a command without an entry: ${source}`);
    return `${fileOf(entry)}.js`;
  };
  const commands = Object.entries(bin ?? {}).map(([command, source]) => [command, builtOf(source)] as const);
  return {
    name,
    version,
    description,
    license,
    repository: { type: 'git', url: `git+${REPOSITORY}.git`, directory: workspace },
    homepage: `${REPOSITORY}#readme`,
    bugs: `${REPOSITORY}/issues`,
    type: 'module',
    sideEffects: commands.length === 0 ? false : [...new Set(commands.map(([, file]) => `./${file}`))],
    engines,
    exports: Object.fromEntries(
      entries.map(([entry]) => [
        entry,
        { types: `./${fileOf(entry)}.d.ts`, default: `./${fileOf(entry)}.js` },
      ]),
    ),
    ...(commands.length > 0 && { bin: Object.fromEntries(commands) }),
    ...(Object.keys(dependencies).length > 0 && { dependencies }),
    peerDependencies,
    peerDependenciesMeta,
    publishConfig: { access: 'public', provenance: true },
  };
}
