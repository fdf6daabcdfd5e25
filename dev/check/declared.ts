import { isBuiltin } from 'node:module';
import * as z from 'zod';
import { specifiersOf } from './direction/specifiers.ts';
import { type Fault, lineOf } from './fault.ts';
import { GENERATED, type SourceFile } from './repository.ts';
import { isCode, parseCode } from './syntax.ts';

const Names = z.record(z.string(), z.string()).default({});
const Manifest = z.object({ name: z.string(), dependencies: Names, devDependencies: Names });

interface Declarations {
  /** With its `/`; empty for the top folder. */
  readonly folder: string;
  /** Its own name too, by which a package may import itself. */
  readonly names: ReadonlySet<string>;
}

/** Packages that no manifest names, and why. */
const BROUGHT: Readonly<Record<string, string>> = {
  rolldown: 'comes with the test runner, and "overrides" of the top folder says in which version',
};

/**
 * Imports of packages that neither the nearest package.json names nor the one of the top folder, which has the tools of
 * all: they resolve only for as long as somebody else brings them, in whatever version that is.
 */
export function undeclaredFaults(files: readonly SourceFile[]): Fault[] {
  const manifests = files.filter(({ path }) => /(^|\/)package\.json$/.test(path)).map(declarationsOf);
  return files.flatMap((file) => {
    if (!isCode(file.path) || GENERATED.test(file.path)) return [];
    const declared = namesFor(file.path, manifests);
    return importsOf(file)
      .filter(({ name }) => !declared.has(name) && !Object.hasOwn(BROUGHT, name))
      .map(({ name, at }) => ({
        file: file.path,
        line: lineOf(file.text, at),
        message: `imports ${name}, which its package.json does not name`,
      }));
  });
}

function declarationsOf({ path, text }: SourceFile): Declarations {
  const { name, dependencies, devDependencies } = Manifest.parse(JSON.parse(text));
  return {
    folder: path.replace(/package\.json$/, ''),
    names: new Set([name, ...Object.keys(dependencies), ...Object.keys(devDependencies)]),
  };
}

function namesFor(path: string, manifests: readonly Declarations[]): ReadonlySet<string> {
  const above = manifests.filter(({ folder }) => path.startsWith(folder));
  const [nearest] = above.toSorted((a, b) => b.folder.length - a.folder.length);
  const top = above.find(({ folder }) => folder === '');
  return new Set([...(nearest?.names ?? []), ...(top?.names ?? [])]);
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
