import type { SourceFile } from '../repository.ts';

export const isMarkdown = ({ path }: SourceFile): boolean => path.endsWith('.md');

export interface MarkdownLine {
  readonly text: string;
  /** From 1. */
  readonly number: number;
  /** Language of the code block that the line is in; undefined in prose. The fences themselves are of the block. */
  readonly block: string | undefined;
}

/** The lines of a document, each with the code block that it stands in. */
export function markdownLines(text: string): MarkdownLine[] {
  let fence: { readonly mark: string; readonly language: string } | undefined;
  return text.split('\n').map((line, index) => {
    const [, mark = '', language = ''] = /^\s*(`{3,}|~{3,})\s*([\w-]*)/.exec(line) ?? [];
    const opens = fence === undefined && mark !== '';
    const closes = fence !== undefined && mark.startsWith(fence.mark) && language === '';
    if (opens) fence = { mark, language };
    const block = fence?.language;
    if (closes) fence = undefined;
    return { text: line, number: index + 1, block };
  });
}
