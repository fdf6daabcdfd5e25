import { readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { entriesOf, readManifest } from '../pack/manifest.ts';
import { PACKAGES } from '../pack/packages.ts';
import { ROOT } from '../quiet-environment.ts';
import { code, table } from './markdown.ts';
import { asNodes, isNode, parseCode, type Syntax, type SyntaxNode } from './syntax.ts';

/** Tables of the packages and their types. They come from the manifests, the declarations and the comments on these. */

const MANIFESTS = await Promise.all(
  PACKAGES.map(async ({ workspace }) => ({
    workspace,
    manifest: await readManifest(workspace),
  })),
);

interface Source extends Syntax {
  readonly path: string;
  readonly text: string;
}

function readSource(path: string): Source {
  const text = readFileSync(`${ROOT}${path}`, 'utf8');
  return { path, text, ...parseCode({ path, text }) };
}

const nameOf = (node: unknown): string => (isNode(node) ? String(node.name ?? node.value ?? '') : '');

/** The comment directly before a node, as one line of Markdown. */
function describe({ text, comments }: Source, { start }: SyntaxNode): string {
  const before = comments.findLast(
    (comment) => comment.end <= start && text.slice(comment.end, start).trim() === '',
  );
  if (before === undefined) return '';
  return text
    .slice(before.start, before.end)
    .replace(/^\/\*\*?|\*\/$/g, '')
    .replaceAll(/^\s*\* ?/gm, '')
    .replaceAll(/\{@link ([^}]+)\}/g, '`$1`')
    .replaceAll(/\s+/g, ' ')
    .trim();
}

const textOf = ({ text }: Source, { start, end }: SyntaxNode): string =>
  text.slice(start, end).replace(/;$/, '').replaceAll(/\s+/g, ' ');

function declaration(source: Source, name: string): SyntaxNode {
  for (const statement of asNodes(source.program.body)) {
    const declared = isNode(statement.declaration) ? statement.declaration : statement;
    if (nameOf(declared.id) === name) return declared;
  }
  throw new Error(`${source.path} declares no ${name}`);
}

/** The members of an interface with their comments. A method is shown with its parameters and its result. */
function members(path: string, name: string): readonly (readonly [member: string, meaning: string])[] {
  const source = readSource(path);
  const { body } = declaration(source, name);
  return asNodes(isNode(body) ? body.body : []).map((member) => {
    const shown =
      member.type === 'TSMethodSignature'
        ? textOf(source, member)
        : `${nameOf(member.key)}${member.optional === true ? '?' : ''}`;
    return [code(shown), describe(source, member)];
  });
}

const providerOptions = (): string =>
  table(
    ['option', 'meaning'],
    [
      ...members('client/src/options.ts', 'TicketProviderOptions'),
      ...members('client/src/shared-provider.ts', 'SharedTicketOptions').map(
        ([member, meaning]) => [`${member} (of the hooks)`, meaning] as const,
      ),
    ],
  );

const providerMembers = (): string =>
  table(['member', 'meaning'], members('client/src/provider.ts', 'TicketProvider'));

/** Each alternative of the union with its comment. */
function credentialKinds(): string {
  const source = readSource('client/src/options.ts');
  const { typeAnnotation } = declaration(source, 'Credential');
  const kinds = asNodes(isNode(typeAnnotation) ? typeAnnotation.types : []);
  return table(
    ['`credential`', 'meaning'],
    kinds.map((kind) => [
      code(textOf(source, kind).replaceAll('readonly ', '')),
      // The comment is before the bar of the union, and the type is after it.
      describe(source, { ...kind, start: source.text.lastIndexOf('|', kind.start) }),
    ]),
  );
}

function clientErrors(): string {
  const source = readSource('client/src/errors.ts');
  const classes = asNodes(source.program.body).flatMap((statement) =>
    isNode(statement.declaration) && statement.declaration.type === 'ClassDeclaration'
      ? [[code(nameOf(statement.declaration.id)), describe(source, statement)] as const]
      : [],
  );
  return table(['class', 'meaning'], classes);
}

/** The names that a file exports, including names that it exports from other files. */
function exportsOf(path: string): string[] {
  const { program } = readSource(path);
  return asNodes(program.body).flatMap((statement) => {
    const from = isNode(statement.source) ? String(statement.source.value) : '';
    switch (statement.type) {
      case 'ExportAllDeclaration':
        return exportsOf(posix.join(posix.dirname(path), from));
      case 'ExportNamedDeclaration': {
        const { declaration: declared } = statement;
        const names = asNodes(statement.specifiers).map(({ exported }) => nameOf(exported));
        if (!isNode(declared)) return names;
        const variables = asNodes(declared.declarations).map(({ id }) => nameOf(id));
        return [...names, ...(variables.length > 0 ? variables : [nameOf(declared.id)])];
      }
      default:
        return [];
    }
  });
}

const packages = (): string =>
  table(
    ['package', 'purpose', 'command', 'Node', 'peers'],
    MANIFESTS.map(({ manifest }) => [
      code(manifest.name),
      manifest.description ?? '',
      Object.keys(manifest.bin ?? {})
        .map(code)
        .join(' '),
      manifest.engines?.node ?? '',
      Object.entries(manifest.peerDependencies ?? {})
        .map(([name, range]) => {
          const isOptional = manifest.peerDependenciesMeta?.[name]?.optional === true;
          return `${code(`${name} ${range}`)}${isOptional ? ', optional' : ''}`;
        })
        .join('; '),
    ]),
  );

const packageEntries = (): string =>
  table(
    ['import', 'exports'],
    MANIFESTS.flatMap(({ workspace, manifest }) =>
      entriesOf(manifest).map(([entry, source]) => [
        code(posix.join(manifest.name, entry)),
        [...new Set(exportsOf(posix.join(workspace, source)))].map(code).join(' ') || 'nothing: a program',
      ]),
    ),
  );

export const SOURCE_TABLES = {
  packages,
  'package-entries': packageEntries,
  'provider-options': providerOptions,
  'provider-members': providerMembers,
  'credential-kinds': credentialKinds,
  'client-errors': clientErrors,
} as const;
