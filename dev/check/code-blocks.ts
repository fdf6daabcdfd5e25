import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { hasCode } from '../error-code.ts';
import { checkTypes } from './block-types.ts';
import { type Block, codeBlocks } from './markdown.ts';
import { type Fault, type Outcome, outcomeOf } from './report.ts';
import type { SourceFile } from './repository.ts';

type Method = 'types' | 'json' | 'shell' | 'python' | 'none';

/** How the blocks of a language are checked. A language that is not listed is a fault. */
const METHODS: Readonly<Record<string, Method>> = {
  ts: 'types',
  tsx: 'types',
  js: 'types',
  json: 'json',
  jsonc: 'json',
  sh: 'shell',
  bash: 'shell',
  python: 'python',
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

  const python = await pythonFaults(of('python'));
  const outcome = outcomeOf([
    ...languageFaults(blocks),
    ...(await checkTypes(of('types'))),
    ...jsonFaults(of('json')),
    ...(await shellFaults(of('shell'))),
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

/** Compiles the script on standard input without running it. */
const COMPILE = 'import sys; compile(sys.stdin.read(), "block", "exec")';

/** Blocks that a shell cannot parse. Runs none. */
export const shellFaults = (blocks: readonly Block[]): Promise<Fault[]> => faultsOf(blocks, 'bash', ['-n']);

/** Blocks that Python cannot compile; `undefined` where there is no Python. Runs none. */
export async function pythonFaults(blocks: readonly Block[]): Promise<Fault[] | undefined> {
  if ((await run('python3', ['--version'], '')) === undefined) return undefined;
  return faultsOf(blocks, 'python3', ['-c', COMPILE]);
}

async function faultsOf(blocks: readonly Block[], command: string, args: string[]): Promise<Fault[]> {
  const faults: Fault[] = [];
  for (const { file, line, code } of blocks) {
    const ended = await run(command, args, `${code}\n`);
    if (ended === undefined) throw new Error(`cannot run ${command}`);
    if (ended.code !== 0) faults.push({ file, line, message: ended.errors.trim() });
  }
  return faults;
}

/** `undefined` where there is no such command. */
async function run(
  command: string,
  args: string[],
  input: string,
): Promise<{ readonly code: number; readonly errors: string } | undefined> {
  const child = spawn(command, args, { stdio: ['pipe', 'ignore', 'pipe'] });
  const ended = once(child, 'close');
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  try {
    const errors = await text(child.stderr);
    const [code] = await ended;
    return { code: Number(code), errors };
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}
