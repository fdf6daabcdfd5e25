import { readFileSync } from 'node:fs';
import * as z from 'zod';
import { ROOT } from '../quiet-environment.ts';

/** Licences of everything that the packages bring to a user, from the lockfile. */

/** Those that ask for no more than their text. Another one needs a person's decision, and a row here. */
const PERMISSIVE: readonly string[] = [
  '0BSD',
  'Apache-2.0',
  'BlueOak-1.0.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'CC0-1.0',
  'ISC',
  'MIT',
  'Unlicense',
];

const Names = z.record(z.string(), z.string()).default({});
const Entry = z.looseObject({
  version: z.string().optional(),
  license: z.string().optional(),
  link: z.boolean().optional(),
  resolved: z.string().optional(),
  dependencies: Names,
  optionalDependencies: Names,
});
export const Lockfile = z.object({ packages: z.record(z.string(), Entry) });
type Lockfile = z.infer<typeof Lockfile>;

/** What is published, or bundled into it. */
const WORKSPACES = ['shared', 'drizzle', 'client', 'cli', 'broker', 'agent-worker'];

/** Where a name that a package imports is installed: beside it, or in a folder above. */
function placeOf(name: string, from: string, { packages }: Lockfile): string | undefined {
  for (let folder = from; ; folder = folder.slice(0, Math.max(folder.lastIndexOf('/node_modules/'), 0))) {
    const place = folder === '' ? `node_modules/${name}` : `${folder}/node_modules/${name}`;
    if (packages[place] !== undefined) return place;
    if (folder === '') return undefined;
  }
}

/** Places of all that is needed to run. Optional ones that are not in the lockfile are left out. */
function reached(lockfile: Lockfile, workspaces: readonly string[]): readonly string[] {
  const found = new Set<string>();
  const waiting = [...workspaces];
  for (let place = waiting.pop(); place !== undefined; place = waiting.pop()) {
    const entry = lockfile.packages[place];
    const names = { ...entry?.dependencies, ...entry?.optionalDependencies };
    for (const name of Object.keys(names)) {
      const next = placeOf(name, place, lockfile);
      if (next === undefined || found.has(next) || lockfile.packages[next]?.link === true) continue;
      found.add(next);
      waiting.push(next);
    }
  }
  return [...found];
}

/** Whether one of the licences that an expression offers is permissive, or all that it joins. */
const isPermissive = (expression: string): boolean =>
  expression
    .replaceAll(/[()]/g, '')
    .split(' OR ')
    .some((each) => each.split(' AND ').every((name) => PERMISSIVE.includes(name)));

/** Packages by licence, both sorted. Throws where a package has none, or one that nobody decided about. */
export function licencesOf(
  lockfile: Lockfile,
  workspaces: readonly string[] = WORKSPACES,
): readonly (readonly [licence: string, packages: readonly string[]])[] {
  const byLicence = new Map<string, string[]>();
  for (const place of reached(lockfile, workspaces)) {
    const { license, version } = lockfile.packages[place] ?? {};
    const name = `${place.slice(place.lastIndexOf('node_modules/') + 'node_modules/'.length)} ${version}`;
    if (license === undefined || !isPermissive(license))
      throw new Error(`${name} has the licence ${license ?? 'of nobody'}: decide, and add it to PERMISSIVE`);
    byLicence.set(license, [...(byLicence.get(license) ?? []), name]);
  }
  return [...byLicence]
    .map(([licence, names]) => [licence, [...new Set(names)].toSorted()] as const)
    .toSorted(([one], [other]) => (one < other ? -1 : 1));
}

export const readLockfile = (): Lockfile =>
  Lockfile.parse(JSON.parse(readFileSync(`${ROOT}package-lock.json`, 'utf8')));
