import { asNodes, isNode, type SyntaxNode } from '../syntax.ts';

/** Names that a binding pattern declares: `{ a, b: [c], ...d } = {}` → a, c, d. */
function patternNames(pattern: unknown): string[] {
  if (!isNode(pattern)) return [];
  switch (pattern.type) {
    case 'Identifier':
      return [String(pattern.name)];
    case 'ObjectPattern':
      return asNodes(pattern.properties).flatMap(patternNames);
    case 'Property':
      return patternNames(pattern.value);
    case 'ArrayPattern':
      return asNodes(pattern.elements).flatMap(patternNames);
    case 'AssignmentPattern':
      return patternNames(pattern.left);
    case 'RestElement':
      return patternNames(pattern.argument);
    case 'TSParameterProperty':
      return patternNames(pattern.parameter);
    default:
      return [];
  }
}

function declaredBy(statement: SyntaxNode): string[] {
  // `declare const fetch: …` only describes a global; it does not make one's own.
  if (statement.declare === true) return [];
  switch (statement.type) {
    case 'VariableDeclaration':
      return asNodes(statement.declarations).flatMap((each) => patternNames(each.id));
    case 'FunctionDeclaration':
    case 'ClassDeclaration':
      return patternNames(statement.id);
    case 'ImportDeclaration':
      return asNodes(statement.specifiers).flatMap((each) => patternNames(each.local));
    case 'ExportNamedDeclaration':
    case 'ExportDefaultDeclaration':
      return asNodes(statement.declaration).flatMap(declaredBy);
    default:
      return [];
  }
}

/** Names that a node brings into scope for what is below it. */
export function scopeNames(node: SyntaxNode): string[] {
  switch (node.type) {
    case 'Program':
    case 'BlockStatement':
    case 'StaticBlock':
      return asNodes(node.body).flatMap(declaredBy);
    case 'SwitchStatement':
      return asNodes(node.cases).flatMap((each) => asNodes(each.consequent).flatMap(declaredBy));
    case 'FunctionDeclaration':
    case 'FunctionExpression':
    case 'ArrowFunctionExpression':
      return [...asNodes(node.params).flatMap(patternNames), ...patternNames(node.id)];
    case 'ClassExpression':
      return patternNames(node.id);
    case 'CatchClause':
      return patternNames(node.param);
    case 'ForStatement':
      return asNodes(node.init).flatMap(declaredBy);
    case 'ForOfStatement':
    case 'ForInStatement':
      return asNodes(node.left).flatMap(declaredBy);
    default:
      return [];
  }
}
