import { groupsOf } from '../site/pages.ts';
import { isMarkdown, parseMarkdown } from './markdown.ts';
import type { Fault } from './report.ts';
import type { SourceFile } from './repository.ts';

/** Rules for the pages of the documentation, beside those for links and generated tables. */

/** In words, as many as a person reads at once. Generated tables are for look-ups, and do not count. */
const MAX_WORDS = 1500;

const DELIMITER = /^\|(?:\s*:?-+:?\s*\|)+$/;
const cellsOf = (row: string): number => row.replaceAll(/\\\||`[^`]*`/g, '').split('|').length - 2;

/** Tables that a renderer shows wrongly: rows after a blank line, or rows with another number of cells. */
export function tableFaults(files: readonly SourceFile[]): Fault[] {
  return files.filter(isMarkdown).flatMap((file) => {
    const faults: Fault[] = [];
    const rows = parseMarkdown(file)
      .prose.map(({ text, number }) => ({ row: text.trim(), number }))
      .filter(({ row }) => row.startsWith('|'));
    let cells = 0;
    for (const [index, { row, number }] of rows.entries()) {
      const fault = (message: string) => faults.push({ file: file.path, line: number, message });
      const next = rows[index + 1];
      if (rows[index - 1]?.number !== number - 1) {
        cells = cellsOf(row);
        if (next?.number !== number + 1 || !DELIMITER.test(next.row))
          fault('begins no table: the line behind it should be | --- |');
      } else if (cellsOf(row) !== cells) fault(`has ${cellsOf(row)} cells in a table of ${cells}`);
    }
    return faults;
  });
}

/** Pictures without a text for readers who do not see them. */
export function pictureFaults(files: readonly SourceFile[]): Fault[] {
  return files
    .filter(isMarkdown)
    .flatMap((file) =>
      parseMarkdown(file).prose.flatMap(({ text, number }) =>
        /!\[\s*\]\(/.test(text.replaceAll(/`[^`]*`/g, ''))
          ? [{ file: file.path, line: number, message: 'a picture has no text' }]
          : [],
      ),
    );
}

const isPage = ({ path }: SourceFile): boolean => /^docs\/.+\/.+\.md$/.test(path);

/** Pages that are too long to read. Words of generated tables, code and addresses of links do not count. */
export function lengthFaults(files: readonly SourceFile[]): Fault[] {
  return files.filter(isPage).flatMap((file) => {
    const prose = parseMarkdown(file)
      .prose.map(({ text }) => text)
      .join('\n')
      .replaceAll(/<!-- generated: .*?<!-- end generated -->/gs, '')
      .replaceAll(/\]\([^)]*\)/g, ']');
    const words = prose.split(/\s+/).filter((word) => /\w/.test(word)).length;
    return words > MAX_WORDS
      ? [{ file: file.path, message: `has ${words} words, and ${MAX_WORDS} are the most: make it two pages` }]
      : [];
  });
}

/** Pages that the index of the documentation, and with it the sidebar of the site, does not name. */
export function indexFaults(files: readonly SourceFile[]): Fault[] {
  const index = files.find(({ path }) => path === 'docs/README.md')?.text ?? '';
  const named = new Set(groupsOf(index).flatMap(({ entries }) => entries.map(({ path }) => path)));
  return files
    .filter((file) => isPage(file) && !named.has(file.path))
    .map(({ path }) => ({ file: path, message: 'is in no table of docs/README.md' }));
}

/** Promises, and answers to faults, that name no test. */
export function promiseFaults(files: readonly SourceFile[]): Fault[] {
  return files
    .filter(({ path }) => /^docs\/security\/(promises|faults)/.test(path))
    .flatMap((file) =>
      parseMarkdown(file)
        .prose.filter(({ text }, index, lines) => {
          const isRow = text.startsWith('| ') && !DELIMITER.test(text);
          const isHead = DELIMITER.test(lines[index + 1]?.text ?? '');
          return isRow && !isHead && !/\.test\.tsx?\)/.test(text);
        })
        .map(({ number }) => ({ file: file.path, line: number, message: 'the promise names no test' })),
    );
}
