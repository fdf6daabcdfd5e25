import { isBuiltin } from 'node:module';
import { posix } from 'node:path';
import { asNodes, isNode, type SyntaxNode, walk } from '../syntax.ts';

export interface Specifier {
  /** As written; undefined where it is computed and cannot be known. */
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

/** Everything that a module imports or exports from, types and `import()` included. */
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

/** Prefix of what lies outside the repository, and name of what is computed: rules refuse both. */
const OUTSIDE = 'outside:';
const COMPUTED = 'computed:';

/** What a specifier means: a path from the top folder, `node:fs`, `cloudflare:workers`, or `npm:package`. */
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
