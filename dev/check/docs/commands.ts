import type { Fault } from '../fault.ts';
import type { SourceFile } from '../repository.ts';
import { scriptsOf } from '../workspaces.ts';
import { isMarkdown, markdownLines } from './markdown.ts';

const SHELLS = new Set(['sh', 'bash', 'shell', 'console']);
/** npm commands that run the script of the same name. */
const SHORT = new Set(['start', 'test', 'stop', 'restart']);

/** npm scripts that a shell block tells the reader to run and that do not exist. */
export function commandFaults(files: readonly SourceFile[]): Fault[] {
  const scripts = scriptsOf(files);
  return files.filter(isMarkdown).flatMap(({ path, text }) =>
    markdownLines(text)
      .filter(({ block }) => SHELLS.has(block ?? ''))
      .flatMap((line) =>
        scriptCalls(line.text)
          .filter(({ script, workspace }) => !Object.hasOwn(scripts.get(workspace) ?? {}, script))
          .map(({ script, workspace }) => {
            const where = workspace === '' ? 'package.json' : `workspace ${workspace}`;
            return { file: path, line: line.number, message: `there is no script "${script}" in ${where}` };
          }),
      ),
  );
}

interface ScriptCall {
  readonly script: string;
  /** Folder or package name; empty for the top folder. */
  readonly workspace: string;
}

/** The scripts that one line of shell runs through npm. */
export function scriptCalls(line: string): ScriptCall[] {
  const commands = line.replace(/(^|\s)#.*$/, '').split(/&&|\|\|?|;|&/);
  return commands.flatMap((command) => {
    const words = command.trim().split(/\s+/);
    while (words[0] === '$' || /^\w+=/.test(words[0] ?? '')) words.shift();
    return words.shift() === 'npm' ? npmCall(words) : [];
  });
}

function npmCall(words: readonly string[]): ScriptCall[] {
  const own = words.includes('--') ? words.slice(0, words.indexOf('--')) : words;
  let workspace = '';
  const plain: string[] = [];
  for (let index = 0; index < own.length; index += 1) {
    const word = own[index] ?? '';
    if (word === '-w' || word === '--workspace') workspace = own[++index] ?? '';
    else if (/^(-w|--workspace)=/.test(word)) workspace = word.slice(word.indexOf('=') + 1);
    else if (!word.startsWith('-')) plain.push(word);
  }
  const [verb = '', name] = plain;
  const script = verb === 'run' || verb === 'run-script' ? name : SHORT.has(verb) ? verb : undefined;
  return script === undefined ? [] : [{ script, workspace: workspace.replace(/^\.\/|\/$/g, '') }];
}
