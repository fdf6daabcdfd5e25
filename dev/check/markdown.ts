import type { SourceFile } from './repository.ts';

export const isMarkdown = ({ path }: SourceFile): boolean => path.endsWith('.md');

const FENCE = /^(\s*)(`{3,}|~{3,})\s*(.*?)\s*$/;
/** The line before a block that no check reads. The check counts such blocks. */
const UNCHECKED = /^\s*<!-- not checked: (\S.*?) -->\s*$/;

/** A code block of a document. */
export interface Block {
  readonly file: string;
  /** Text of the nearest heading above. */
  readonly heading: string;
  /** Line of its first line of code, from 1. */
  readonly line: number;
  /** First word behind the fence, in lower case. */
  readonly language: string;
  /** The other words behind the fence. */
  readonly words: readonly string[];
  /** Without the indent of the fence. */
  readonly code: string;
  /** Why no check reads it, where the line before the fence gives a reason. */
  readonly unchecked: string | undefined;
}

export interface MarkdownLine {
  readonly text: string;
  /** From 1. */
  readonly number: number;
}

/** A document as its code blocks and the lines outside of them. A block without a closing fence ends with the document. */
export function parseMarkdown({ path: file, text }: SourceFile): {
  readonly blocks: readonly Block[];
  readonly prose: readonly MarkdownLine[];
} {
  const lines = text.split('\n');
  const blocks: Block[] = [];
  const prose: MarkdownLine[] = [];
  let heading = '';
  for (let index = 0; index < lines.length; index += 1) {
    const line = lines[index] ?? '';
    const [, indent = '', mark = '', info = ''] = FENCE.exec(line) ?? [];
    if (mark === '') {
      heading = headingOf(line) ?? heading;
      prose.push({ text: line, number: index + 1 });
      continue;
    }
    const close = lines.findIndex((each, at) => at > index && closes(each, mark));
    const end = close === -1 ? lines.length : close;
    const [language = '', ...words] = info.split(/\s+/);
    blocks.push({
      file,
      heading,
      line: index + 2,
      language: language.toLowerCase(),
      words,
      code: lines
        .slice(index + 1, end)
        .map((each) => (each.startsWith(indent) ? each.slice(indent.length) : each))
        .join('\n'),
      unchecked: UNCHECKED.exec(lines[index - 1] ?? '')?.[1],
    });
    index = end;
  }
  return { blocks, prose };
}

const closes = (line: string, mark: string): boolean => {
  const [, , found = '', info = ''] = FENCE.exec(line) ?? [];
  return found.startsWith(mark) && info === '';
};

/** Text of a heading line. */
export const headingOf = (line: string): string | undefined => /^#{1,6}\s+(.*?)\s*#*$/.exec(line)?.[1];

/** Every code block of every document. */
export const codeBlocks = (files: readonly SourceFile[]): Block[] =>
  files.filter(isMarkdown).flatMap((file) => parseMarkdown(file).blocks);

const cell = (value: string | number): string => String(value).replaceAll('|', '\\|').replaceAll('\n', ' ');

/** A Markdown table. */
export function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const lines = [head, head.map(() => '---'), ...rows];
  return lines.map((row) => `| ${row.map(cell).join(' | ')} |`).join('\n');
}

export const code = (value: string | number): string => `\`${value}\``;
