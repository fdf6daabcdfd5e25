import { asNodes, childrenOf, isNode, type SyntaxNode } from './syntax.ts';

export interface GlobalUse {
  /** `fetch`, `Date.now`, `new Date()`, `import.meta.env`: without a `globalThis` before it. */
  readonly name: string;
  readonly at: number;
}

const THE_GLOBAL_OBJECT = new Set(['globalThis', 'self', 'window', 'global']);
/** `x as T`, `x satisfies T`, `x!`, `x<T>`, `<T>x`: type syntax around an expression. */
const TYPED_EXPRESSION = new Set([
  ...['TSAsExpression', 'TSSatisfiesExpression', 'TSNonNullExpression'],
  ...['TSInstantiationExpression', 'TSTypeAssertion'],
]);

/** Uses of globals as values. Names that the module declares, types, strings and comments do not count. */
export function globalsOf(program: SyntaxNode): GlobalUse[] {
  return [...uses(program, new Set())];
}

function* uses(node: SyntaxNode, outer: ReadonlySet<string>): Generator<GlobalUse> {
  const scope = new Set([...outer, ...scopeNames(node)]);
  const name = isCleanCall(node) ? cleanCallName(node, scope) : globalName(node, scope);
  if (name) yield { name, at: node.start };
  for (const child of valuesBelow(node)) yield* uses(child, scope);
}

/** `new Date()` and `Date()` read the clock; with an argument they do not. */
const isCleanCall = (node: SyntaxNode): boolean =>
  (node.type === 'NewExpression' || node.type === 'CallExpression') &&
  Array.isArray(node.arguments) &&
  node.arguments.length === 0;

function cleanCallName(node: SyntaxNode, scope: ReadonlySet<string>): string | undefined {
  const callee = isNode(node.callee) ? globalName(node.callee, scope) : undefined;
  return callee && `${node.type === 'NewExpression' ? 'new ' : ''}${callee}()`;
}

/** The global that an expression names; empty for the global object itself. */
function globalName(node: SyntaxNode, scope: ReadonlySet<string>): string | undefined {
  if (node.type === 'Identifier') {
    const name = String(node.name);
    if (scope.has(name)) return undefined;
    return THE_GLOBAL_OBJECT.has(name) ? '' : name;
  }
  if (node.type === 'MetaProperty') return 'import.meta';
  if (node.type !== 'MemberExpression' || !isNode(node.object) || !isNode(node.property)) return undefined;
  const owner = globalName(node.object, scope);
  const member = node.property[node.computed === true ? 'value' : 'name'];
  if (owner === undefined || typeof member !== 'string') return undefined;
  return owner === '' ? member : `${owner}.${member}`;
}

/** Children that are evaluated: not types, not the names of members, keys, labels and imports. */
function valuesBelow(node: SyntaxNode): SyntaxNode[] {
  const skipped = new Set<unknown>();
  if (node.computed !== true) skipped.add(node.property).add(node.key);
  // In `{ fetch }` key and value are one spelling but two nodes: only the value is a use.
  skipped.add(node.label).add(node.meta);
  if (node.type.startsWith('Import') && node.type !== 'ImportExpression') return [];
  if (node.type === 'ExportNamedDeclaration' && isNode(node.source)) return [];
  if (node.type === 'ExportSpecifier') skipped.add(node.exported);
  return childrenOf(node).filter((child) => !skipped.has(child) && !isTypeOnly(child));
}

const isTypeOnly = (node: SyntaxNode): boolean =>
  node.type.startsWith('TS') && !TYPED_EXPRESSION.has(node.type) && node.type !== 'TSParameterProperty';

/** Names that a node brings into scope for its children. */
function scopeNames(node: SyntaxNode): string[] {
  const statements = [node.body, node.init, node.left, ...asNodes(node.cases).map((each) => each.consequent)];
  const patterns = [node.params, node.param, node.id];
  return [
    ...statements.flatMap(asNodes).flatMap(declaredBy),
    ...patterns.flatMap(asNodes).flatMap(patternNames),
  ];
}

function declaredBy(statement: SyntaxNode): string[] {
  // `declare const fetch: …` describes a global and declares no other.
  if (statement.declare === true) return [];
  switch (statement.type) {
    case 'VariableDeclaration':
      return asNodes(statement.declarations).flatMap((each) => asNodes(each.id).flatMap(patternNames));
    case 'FunctionDeclaration':
    case 'ClassDeclaration':
      return asNodes(statement.id).flatMap(patternNames);
    case 'ImportDeclaration':
      return asNodes(statement.specifiers).flatMap((each) => asNodes(each.local).flatMap(patternNames));
    default:
      // `export const …` and `export default function …`.
      return asNodes(statement.declaration).flatMap(declaredBy);
  }
}

/** Parts of a binding pattern that bind no name: keys, default values, types. */
const UNBOUND = new Set(['key', 'right', 'typeAnnotation', 'decorators']);

/** Names that a binding pattern declares: `{ a, b: [c], ...d } = {}` → a, c, d. */
function patternNames(pattern: SyntaxNode): string[] {
  if (pattern.type === 'Identifier') return [String(pattern.name)];
  return Object.entries(pattern)
    .filter(([property]) => !UNBOUND.has(property))
    .flatMap(([, value]) => asNodes(value))
    .flatMap(patternNames);
}
