import { posix } from 'node:path';
import type { Fault } from './report.ts';
import { lineOf, type SourceFile } from './repository.ts';
import { isCode, parseCode } from './syntax.ts';

/** Names that do not describe the content of a file or folder. */
const EMPTY_NAMES = new Set(['util', 'utils', 'helper', 'helpers', 'common', 'misc', 'lib']);
const MAX_CODE_LINES = 300;
const TEST = /(^|\/)test\/|\.test\.ts$/;

export function nameFaults(files: readonly SourceFile[]): Fault[] {
  return files.flatMap((file) => [...emptyNames(file), ...overlong(file)]);
}

function emptyNames({ path }: SourceFile): Fault[] {
  const words = path.split('/').map((segment) => segment.split('.')[0] ?? '');
  return words
    .filter((word) => EMPTY_NAMES.has(word.toLowerCase()))
    .map((word) => ({ file: path, message: `"${word}" does not describe the content` }));
}

function overlong(file: SourceFile): Fault[] {
  if (!isCode(file.path) || TEST.test(file.path)) return [];
  const lines = codeLines(file);
  if (lines <= MAX_CODE_LINES) return [];
  const message = `${lines} code lines, ${MAX_CODE_LINES} are the most: split the file`;
  return [{ file: file.path, message }];
}

/** Number of lines that are neither blank nor only comment. */
export function codeLines(file: SourceFile): number {
  const { comments } = parseCode(file);
  const blanked = comments.reduceRight(
    (text, { start, end }) =>
      text.slice(0, start) + text.slice(start, end).replaceAll(/[^\n]/g, ' ') + text.slice(end),
    file.text,
  );
  return blanked.split('\n').filter((line) => line.trim() !== '').length;
}

/** Paths that exist on one machine only. None follows a letter or dot: `https://example.com/root/` is no such path. */
const MACHINE_PATHS: readonly { readonly pattern: RegExp; readonly because: string }[] = [
  { pattern: /(?<![\w.-])\/work\//g, because: 'a folder of one machine' },
  { pattern: /(?<![\w.-])\/root\//g, because: "a user's home folder" },
  { pattern: /(?<![\w.-])\/(?:home|Users)\/[\w.-]+\//g, because: "a user's home folder" },
  { pattern: /\/tmp\/bash_jobs/g, because: 'a folder of one shell' },
];

/** `../` steps and the name behind them, at the start of a path. */
const PARENT_PATH = /(?<![\w./*-])(?:\.\.\/)+(?:[\w.@-]+)?/g;
/** Tests contain such paths to see them refused; npm writes the lockfile. */
const MAY_LEAD_OUT = /\.test\.ts$|(^|\/)test-[\w-]+\.ts$|(^|\/)test\/|^dev\/e2e\/|^package-lock\.json$/;

/** Mentions of paths outside the repository, which other clones do not have. */
export function selfContainmentFaults(files: readonly SourceFile[]): Fault[] {
  return files.flatMap((file) => [
    ...machinePaths(file),
    ...(MAY_LEAD_OUT.test(file.path) ? [] : leadsOut(file)),
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

function leadsOut({ path, text }: SourceFile): Fault[] {
  return [...text.matchAll(PARENT_PATH)]
    .filter((match) => /^\.\.(\/|$)/.test(posix.join(posix.dirname(path), match[0])))
    .map((match) => ({
      file: path,
      line: lineOf(text, match.index),
      message: `${match[0]} leads out of the repository`,
    }));
}
