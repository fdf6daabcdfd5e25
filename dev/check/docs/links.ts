import { posix } from 'node:path';
import type { Fault } from '../fault.ts';
import type { SourceFile } from '../repository.ts';
import { isMarkdown, type MarkdownLine, markdownLines } from './markdown.ts';

/** `[text](target)`, `![text](target "title")` and `[name]: target`. */
const LINK = /\]\(\s*<?([^)\s>]+)>?(?:\s+["'][^)]*)?\)|^\s*\[[^\]]+\]:\s+<?([^\s>]+)/g;

/** Relative links of the documents that lead to no file, or to no heading of it. */
export function linkFaults(files: readonly SourceFile[]): Fault[] {
  const texts = new Map(files.map(({ path, text }) => [path, text]));
  const folders = new Set(files.flatMap(({ path }) => foldersOf(path)));
  return files.filter(isMarkdown).flatMap(({ path, text }) =>
    prose(text).flatMap((line) =>
      targets(line.text).flatMap((target) => {
        const [to = '', heading] = target.split('#');
        const found = to === '' ? path : posix.join(posix.dirname(path), decodeURI(to)).replace(/\/$/, '');
        const known = texts.has(found) || folders.has(found);
        const reached = known && (heading === undefined || headings(texts.get(found) ?? '').has(heading));
        return reached ? [] : [{ file: path, line: line.number, message: `link ${target} leads nowhere` }];
      }),
    ),
  );
}

const prose = (text: string): MarkdownLine[] =>
  markdownLines(text).filter(({ block }) => block === undefined);

function targets(line: string): string[] {
  const found = [...line.replaceAll(/`[^`]*`/g, '``').matchAll(LINK)].map(
    ([, inline, named]) => inline ?? named,
  );
  return found
    .filter((target) => target !== undefined)
    .filter((target) => !/^[a-z][a-z0-9+.-]*:/i.test(target));
}

function foldersOf(path: string): string[] {
  const parts = path.split('/').slice(0, -1);
  return ['.', ...parts.map((_, index) => parts.slice(0, index + 1).join('/'))];
}

/** Anchors as code hosts make them: lower case, spaces to hyphens, no punctuation. */
function headings(text: string): Set<string> {
  const titles = prose(text).flatMap((line) => /^#{1,6}\s+(.*?)\s*#*$/.exec(line.text)?.[1] ?? []);
  return new Set(
    titles.map((title) =>
      title
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
        .replaceAll(/\s/g, '-'),
    ),
  );
}
