import { isBuiltin } from 'node:module';
import { posix } from 'node:path';
import { parseSync } from 'rolldown/utils';
import type { Fault } from './report.ts';
import { GENERATED, lineOf, type SourceFile } from './repository.ts';

/** A node of the syntax tree. Its properties are untyped, as checks read few kinds of nodes and walk over the rest. */
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

/** Whether a person wrote the file in TypeScript or JavaScript. */
export const isCode = (path: string): boolean => /\.[cm]?[jt]sx?$/.test(path) && !GENERATED.test(path);

/** Parses TypeScript or JavaScript with the parser of the test runner, so that text in strings and comments never counts. */
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

export interface Specifier {
  /** As written; undefined where it is computed. */
  readonly text: string | undefined;
  readonly at: number;
}

const IMPORTS = new Set([
  'ImportDeclaration',
  'ExportNamedDeclaration',
  'ExportAllDeclaration',
  'ImportExpression',
  'TSImportType',
]);

/** All modules that a module imports or re-exports, those of types and of `import()` included. */
export function specifiersOf(program: SyntaxNode): Specifier[] {
  return [...walk(program)]
    .filter((node) => IMPORTS.has(node.type) && isNode(node.source))
    .map((node) => ({ text: literal(node.source), at: node.start }));
}

function literal(node: unknown): string | undefined {
  if (!isNode(node)) return undefined;
  if (node.type === 'Literal' && typeof node.value === 'string') return node.value;
  const [only, ...more] = asNodes(node.quasis);
  if (node.type !== 'TemplateLiteral' || only === undefined || more.length > 0) return undefined;
  return String((only.value as { cooked?: unknown }).cooked);
}

/** Targets outside of the repository begin with the first, computed ones are the second. Rules refuse both. */
const OUTSIDE = 'outside:';
const COMPUTED = 'computed:';

/** The target of a specifier: a path relative to the top folder, `node:fs`, `cloudflare:workers`, or `npm:package`. */
export function targetOf(from: string, { text }: Specifier): string {
  if (text === undefined) return COMPUTED;
  if (text.startsWith('.')) {
    const path = posix.join(posix.dirname(from), text);
    return path.startsWith('../') ? OUTSIDE + path : path;
  }
  if (text.startsWith('/') || text.startsWith('file:')) return OUTSIDE + text;
  const workspace = /^@agent-ticket\/([\w-]+)(\/.*)?$/.exec(text);
  if (workspace !== null) {
    const [, name = '', rest = '/'] = workspace;
    return name === 'shared' ? `shared/src${rest}` : name + rest;
  }
  if (isBuiltin(text)) return text.startsWith('node:') ? text : `node:${text}`;
  return text.includes(':') ? text : `npm:${text}`;
}
