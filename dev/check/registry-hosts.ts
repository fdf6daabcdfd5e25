import * as z from 'zod';
import type { Fault } from './fault.ts';
import type { SourceFile } from './repository.ts';

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
 * The lockfile names no download host, so that an install uses the registry that the machine is set up for, and
 * every package has a hash, so that this registry need not be trusted.
 */
export function registryHostFaults(files: readonly SourceFile[]): Fault[] {
  return [...settingFaults(files), ...lockfileFaults(files)];
}

function settingFaults(files: readonly SourceFile[]): Fault[] {
  const npmrc = files.find(({ path }) => path === '.npmrc')?.text.split('\n') ?? [];
  const fault = (message: string): Fault => ({ file: '.npmrc', message });
  return [
    ...(npmrc.includes(SETTING) ? [] : [fault(`lacks ${SETTING}, without which npm writes hosts again`)]),
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
