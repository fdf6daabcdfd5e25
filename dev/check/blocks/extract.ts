import { isMarkdown } from '../docs/markdown.ts';
import type { SourceFile } from '../repository.ts';

/** A block of code in a document. */
export interface Block {
  readonly file: string;
  /** Line of its first line of code, from 1. */
  readonly line: number;
  /** First word behind the fence, in lower case. */
  readonly language: string;
  /** The other words behind the fence. */
  readonly words: readonly string[];
  readonly code: string;
  /** Why it is not checked, where the line before the fence says so. */
  readonly unchecked: string | undefined;
}

const FENCE = /^(\s*)(`{3,}|~{3,})\s*(.*?)\s*$/;
/** Stands in a line of its own right before a block, and is counted by the check. */
const UNCHECKED = /^\s*<!-- not checked: (\S.*?) -->\s*$/;

/** Every fenced block of every document. */
export const codeBlocks = (files: readonly SourceFile[]): Block[] =>
  files.filter(isMarkdown).flatMap(({ path, text }) => blocksOf(path, text));

function blocksOf(file: string, text: string): Block[] {
  const lines = text.split('\n');
  const blocks: Block[] = [];
  for (let index = 0; index < lines.length; index += 1) {
    const [, indent = '', mark = '', info = ''] = FENCE.exec(lines[index] ?? '') ?? [];
    if (mark === '') continue;
    const end = lines.findIndex((line, at) => at > index && closes(line, mark));
    const inside = lines.slice(index + 1, end === -1 ? lines.length : end);
    const [language = '', ...words] = info.split(/\s+/);
    blocks.push({
      file,
      line: index + 2,
      language: language.toLowerCase(),
      words,
      code: inside.map((line) => (line.startsWith(indent) ? line.slice(indent.length) : line)).join('\n'),
      unchecked: UNCHECKED.exec(lines[index - 1] ?? '')?.[1],
    });
    index = end === -1 ? lines.length : end;
  }
  return blocks;
}

const closes = (line: string, mark: string): boolean => {
  const [, , found = '', info = ''] = FENCE.exec(line) ?? [];
  return found.startsWith(mark) && info === '';
};
