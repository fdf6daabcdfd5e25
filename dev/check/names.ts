import type { Fault } from './fault.ts';
import { GENERATED, type SourceFile } from './repository.ts';
import { isCode, parseCode } from './syntax.ts';

/** Names that say nothing about what is inside: a room is called after what it does. */
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
    .map((word) => ({ file: path, message: `"${word}" says nothing: name it after what it does` }));
}

function overlong(file: SourceFile): Fault[] {
  if (!isCode(file.path) || TEST.test(file.path) || GENERATED.test(file.path)) return [];
  const lines = codeLines(file);
  if (lines <= MAX_CODE_LINES) return [];
  const message = `${lines} code lines, ${MAX_CODE_LINES} are the most: this is usually two rooms`;
  return [{ file: file.path, message }];
}

/** Lines with code on them: not blank, not only comment. */
export function codeLines(file: SourceFile): number {
  const { comments } = parseCode(file);
  const blanked = comments.reduceRight(
    (text, { start, end }) =>
      text.slice(0, start) + text.slice(start, end).replaceAll(/[^\n]/g, ' ') + text.slice(end),
    file.text,
  );
  return blanked.split('\n').filter((line) => line.trim() !== '').length;
}
