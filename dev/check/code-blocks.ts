import { parseDocument } from 'yaml';
import { checkTypes } from './block-types.ts';
import { type Block, codeBlocks } from './markdown.ts';
import { type Command, type Fault, type Outcome, outcomeOf, runCommand } from './report.ts';
import type { SourceFile } from './repository.ts';

type Method = 'types' | 'json' | 'yaml' | 'shell' | 'python' | 'none';

/** How the blocks of a language are checked. A language that is not listed is a fault. */
const METHODS: Readonly<Record<string, Method>> = {
  ts: 'types',
  tsx: 'types',
  js: 'types',
  json: 'json',
  jsonc: 'json',
  yaml: 'yaml',
  sh: 'shell',
  bash: 'shell',
  python: 'python',
  // Of programs that not every machine has: tests of dev/e2e/node run these blocks.
  nginx: 'none',
  haproxy: 'none',
  ini: 'none',
  // Not code: messages, patches, diagrams.
  text: 'none',
  http: 'none',
  diff: 'none',
  mermaid: 'none',
};

/** Type-checks, parses or compiles every code block of every document. Throws when there is none. */
export async function checkBlocks(files: readonly SourceFile[]): Promise<Outcome> {
  const all = codeBlocks(files);
  if (all.length === 0) throw new Error('the documents have no blocks: nothing was checked');
  const marked = all.filter(({ unchecked }) => unchecked !== undefined);
  const blocks = all.filter(({ unchecked }) => unchecked === undefined);
  const of = (method: Method): Block[] => blocks.filter(({ language }) => METHODS[language] === method);

  const python = pythonFaults(of('python'));
  const outcome = outcomeOf([
    ...languageFaults(blocks),
    ...(await checkTypes(of('types'))),
    ...jsonFaults(of('json')),
    ...yamlFaults(of('yaml')),
    ...shellFaults(of('shell')),
    ...(python ?? []),
  ]);
  const skipped = python === undefined ? of('python') : [];
  const checked = blocks.length - of('none').length - skipped.length;
  const notes = [
    `${checked} checked`,
    ...(marked.length === 0 ? [] : [`${marked.length} marked as not checked`]),
    ...(skipped.length === 0 ? [] : [`${skipped.length} left out: this machine has no python3`]),
  ];
  return { ...outcome, note: notes.join(', ') };
}

/** Blocks of a language that has no method. */
export const languageFaults = (blocks: readonly Block[]): Fault[] =>
  blocks
    .filter(({ language }) => !Object.hasOwn(METHODS, language))
    .map(({ file, line, language }) => ({
      file,
      line: line - 1,
      message: `no way to check "${language}": choose one of ${Object.keys(METHODS).join(', ')}, or put <!-- not checked: why --> before it`,
    }));

/** Blocks of JSON that do not parse; `jsonc` may have comments, trailing commas, and only members of an object. */
export const jsonFaults = (blocks: readonly Block[]): Fault[] =>
  blocks.flatMap(({ file, line, language, code }) => {
    const texts = language === 'json' ? [code] : [plainJson(code), plainJson(`{${code}}`)];
    const faults = texts.map(faultOf);
    return faults.includes(undefined) ? [] : [{ file, line, message: faults[0] ?? 'not JSON' }];
  });

/** Blocks of YAML that do not parse. */
export const yamlFaults = (blocks: readonly Block[]): Fault[] =>
  blocks.flatMap(({ file, line, code }) =>
    parseDocument(code).errors.map(({ message }) => ({ file, line, message })),
  );

function faultOf(text: string): string | undefined {
  try {
    JSON.parse(text);
    return undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return error.message;
    throw error;
  }
}

/** Takes comments and trailing commas away, but none in a string. */
const plainJson = (text: string): string =>
  text
    .replaceAll(/("(?:\\.|[^"\\])*")|\/\/[^\n]*|\/\*[\s\S]*?\*\//g, '$1')
    .replaceAll(/("(?:\\.|[^"\\])*")|,(?=\s*[}\]])/g, '$1');

/** Blocks that a shell cannot parse. Runs none. */
export const shellFaults = (blocks: readonly Block[]): Fault[] => scriptFaults(blocks, ['bash', '-n']);

/** Compiles the script on standard input without running it. */
const COMPILE = 'import sys; compile(sys.stdin.read(), "block", "exec")';

/** Blocks that Python cannot compile; `undefined` without a Python. Runs none. */
export const pythonFaults = (blocks: readonly Block[]): Fault[] | undefined =>
  runCommand(['python3', '--version']).passed ? scriptFaults(blocks, ['python3', '-c', COMPILE]) : undefined;

const scriptFaults = (blocks: readonly Block[], command: Command): Fault[] =>
  blocks.flatMap(({ file, line, code }) => {
    const { passed, output } = runCommand(command, `${code}\n`);
    return passed ? [] : [{ file, line, message: output }];
  });
