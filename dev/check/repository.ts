import { execFile } from 'node:child_process';
import { readFile, stat } from 'node:fs/promises';
import { promisify } from 'node:util';
import { hasCode } from 'agent-ticket/src/error-code.ts';
import { ROOT } from '../quiet-environment.ts';

const run = promisify(execFile);

/** A file as data, so that tests can call every check with made-up files. */
export interface SourceFile {
  /** Relative to the top folder, with `/`. */
  readonly path: string;
  readonly text: string;
}

/** Written by a tool and checked in: nobody chose its names or its length. */
export const GENERATED =
  /(^|\/)worker-configuration\.d\.ts$|(^|\/)openapi\/generated-types\.ts$|(^|\/)migrations\//;

/**
 * The text files that git tracks or would track (new and not ignored), so that a fault shows before the commit.
 * Throws when git cannot list them: an empty list would pass every check.
 */
export async function readRepository(): Promise<SourceFile[]> {
  // A clone that another user owns (a mounted folder in CI) is only read here, so git's refusal of it is lifted.
  const args = ['-c', 'safe.directory=*', 'ls-files', '-z', '--cached', '--others', '--exclude-standard'];
  const { stdout } = await run('git', args, { cwd: ROOT, maxBuffer: 64 * 1024 * 1024 }).catch((cause) => {
    throw new Error('git cannot list the files: the checks run in a git clone', { cause });
  });
  const paths = [...new Set(stdout.split('\0').filter(Boolean))].sort();
  if (paths.length === 0) throw new Error('git lists no files');
  const files = await Promise.all(paths.map(readText));
  return files.filter((file) => file !== undefined);
}

async function readText(path: string): Promise<SourceFile | undefined> {
  const found = await stat(`${ROOT}${path}`).catch((error: unknown) => {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  });
  if (!found?.isFile()) return undefined; // deleted and not committed yet, or a link to a folder
  const text = await readFile(`${ROOT}${path}`, 'utf8');
  return text.includes('\0') ? undefined : { path, text };
}

/** Line of an offset, from 1. */
export const lineOf = (text: string, offset: number): number => text.slice(0, offset).split('\n').length;
