import { posix } from 'node:path';
import { type Fault, lineOf } from './fault.ts';
import type { SourceFile } from './repository.ts';

/** Paths that exist on one machine only. None follows a letter or dot: `https://example.com/root/` is no such path. */
const MACHINE_PATHS: readonly { readonly pattern: RegExp; readonly because: string }[] = [
  { pattern: /(?<![\w.-])\/work\//g, because: "a folder of somebody's machine" },
  { pattern: /(?<![\w.-])\/root\//g, because: "somebody's home folder" },
  { pattern: /(?<![\w.-])\/(?:home|Users)\/[\w.-]+\//g, because: "somebody's home folder" },
  { pattern: /\/tmp\/bash_jobs/g, because: "a folder of somebody's shell" },
];

/** `../` steps and the name they lead to, at the start of a path. */
const CLIMB = /(?<![\w./*-])(?:\.\.\/)+(?:[\w.@-]+)?/g;
/** Tests write paths that climb out on purpose, to see them refused; the lockfile is npm's. */
const MAY_CLIMB = /\.test\.ts$|(^|\/)test-[\w-]+\.ts$|(^|\/)test\/|^dev\/e2e\/|^package-lock\.json$/;

/** Mentions of anything outside the repository: a clone has only what is in it. */
export function selfContainmentFaults(files: readonly SourceFile[]): Fault[] {
  return files.flatMap((file) => [
    ...machinePaths(file),
    ...(MAY_CLIMB.test(file.path) ? [] : climbsOut(file)),
  ]);
}

function machinePaths({ path, text }: SourceFile): Fault[] {
  return MACHINE_PATHS.flatMap(({ pattern, because }) =>
    [...text.matchAll(pattern)].map((match) => ({
      file: path,
      line: lineOf(text, match.index),
      message: `names ${match[0]}, ${because}`,
    })),
  );
}

function climbsOut({ path, text }: SourceFile): Fault[] {
  return [...text.matchAll(CLIMB)]
    .filter((match) => /^\.\.(\/|$)/.test(posix.join(posix.dirname(path), match[0])))
    .map((match) => ({
      file: path,
      line: lineOf(text, match.index),
      message: `${match[0]} leads out of the repository`,
    }));
}
