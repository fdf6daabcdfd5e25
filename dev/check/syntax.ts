import { parseSync } from 'rolldown/utils';
import { type Fault, lineOf } from './fault.ts';
import type { SourceFile } from './repository.ts';

/** A node of the syntax tree, read loosely: checks look at few kinds of it and walk over the rest. */
export interface SyntaxNode {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [property: string]: unknown;
}

export interface Syntax {
  readonly program: SyntaxNode;
  readonly comments: readonly { readonly start: number; readonly end: number }[];
  readonly faults: readonly Fault[];
}

export const isCode = (path: string): boolean => /\.[cm]?[jt]sx?$/.test(path);

/** Parses TypeScript or JavaScript with the parser that the test runner brings, so that text in strings and comments never counts. */
export function parseCode(file: SourceFile): Syntax {
  const parsed = parseSync(file.path, file.text);
  const faults = parsed.errors.map((error) => ({
    file: file.path,
    line: lineOf(file.text, error.labels[0]?.start ?? 0),
    message: `cannot be parsed: ${error.message}`,
  }));
  return { program: parsed.program as unknown as SyntaxNode, comments: parsed.comments, faults };
}

export const isNode = (value: unknown): value is SyntaxNode =>
  typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string';

export const asNodes = (value: unknown): SyntaxNode[] =>
  (Array.isArray(value) ? value : [value]).filter(isNode);

export const childrenOf = (node: SyntaxNode): SyntaxNode[] => Object.values(node).flatMap(asNodes);

/** The node and everything below it. */
export function* walk(node: SyntaxNode): Generator<SyntaxNode> {
  yield node;
  for (const child of childrenOf(node)) yield* walk(child);
}
