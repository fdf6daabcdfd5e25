import { posix } from 'node:path';
import { parseArgs } from 'node:util';
import { scriptsOf } from './manifests.ts';
import { codeBlocks, headingOf, isMarkdown, parseMarkdown } from './markdown.ts';
import type { Fault } from './report.ts';
import type { SourceFile } from './repository.ts';
import { GENERATORS } from './tables.ts';

const END = '<!-- end generated -->';
const START = /^<!-- generated: ([\w-]+) -->$/;

interface Rendered {
  readonly text: string;
  readonly faults: readonly Fault[];
}

/** The document with every section generated anew. Markers inside code blocks are examples and remain. */
export function renderSections(file: SourceFile, generators = GENERATORS): Rendered {
  const prose = new Set(parseMarkdown(file).prose.map(({ number }) => number));
  const out: string[] = [];
  const faults: Fault[] = [];
  let open: { readonly name: string; readonly line: number } | undefined;
  for (const [index, text] of file.text.split('\n').entries()) {
    const line = index + 1;
    const fault = (message: string) => faults.push({ file: file.path, line, message });
    const marker = prose.has(line) ? text.trim() : '';
    const name = START.exec(marker)?.[1];
    if (name !== undefined) {
      const generate = Object.hasOwn(generators, name) ? generators[name] : undefined;
      if (open !== undefined) fault(`section ${name} begins inside section ${open.name}`);
      if (generate === undefined) fault(`nothing generates "${name}"`);
      open = { name, line };
      out.push(text, '', generate?.() ?? '', '');
    } else if (marker === END) {
      if (open === undefined) fault('ends a generated section that did not begin');
      open = undefined;
      out.push(text);
    } else if (open === undefined) out.push(text);
  }
  if (open !== undefined)
    faults.push({ file: file.path, line: open.line, message: `section ${open.name} does not end` });
  return { text: out.join('\n'), faults };
}

/** Generated sections that differ from the code, or that nothing can generate. */
export function sectionFaults(files: readonly SourceFile[], generators = GENERATORS): Fault[] {
  return files.filter(isMarkdown).flatMap((file) => {
    const { text, faults } = renderSections(file, generators);
    if (faults.length > 0 || text === file.text) return faults;
    return [{ file: file.path, message: 'generated tables differ from the code: run npm run docs' }];
  });
}

/** `[text](target)`, `![text](target "title")` and `[name]: target`. */
const LINK = /\]\(\s*<?([^)\s>]+)>?(?:\s+["'][^)]*)?\)|^\s*\[[^\]]+\]:\s+<?([^\s>]+)/g;

/** Relative links of the documents to a missing file, or to a missing heading. */
export function linkFaults(files: readonly SourceFile[]): Fault[] {
  const documents = new Map(files.map((file) => [file.path, file]));
  const folders = new Set(files.flatMap(({ path }) => foldersOf(path)));
  return files.filter(isMarkdown).flatMap((file) =>
    parseMarkdown(file).prose.flatMap((line) =>
      targets(line.text).flatMap((target) => {
        const [to = '', heading] = target.split('#');
        const found =
          to === '' ? file.path : posix.join(posix.dirname(file.path), decodeURI(to)).replace(/\/$/, '');
        const exists = documents.has(found) || folders.has(found);
        const hasHeading = heading === undefined || headings(documents.get(found)).has(heading);
        if (exists && hasHeading) return [];
        return [{ file: file.path, line: line.number, message: `link ${target} leads nowhere` }];
      }),
    ),
  );
}

function targets(line: string): string[] {
  const found = [...line.replaceAll(/`[^`]*`/g, '``').matchAll(LINK)].map(
    ([, inline, named]) => inline ?? named,
  );
  return found
    .filter((target) => target !== undefined)
    .filter((target) => !/^[a-z][a-z0-9+.-]*:/i.test(target));
}

function foldersOf(path: string): string[] {
  const parts = path.split('/').slice(0, -1);
  return ['.', ...parts.map((_, index) => parts.slice(0, index + 1).join('/'))];
}

/** Anchors of the headings as code hosts form them: lower case, hyphens for spaces, no punctuation. */
function headings(file: SourceFile | undefined): Set<string> {
  const titles =
    file === undefined ? [] : parseMarkdown(file).prose.flatMap((line) => headingOf(line.text) ?? []);
  return new Set(
    titles.map((title) =>
      title
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
        .replaceAll(/\s/g, '-'),
    ),
  );
}

const SHELLS = new Set(['sh', 'bash', 'shell', 'console']);
/** npm commands that run the script of the same name. */
const SHORT = new Set(['start', 'test', 'stop', 'restart']);

/** Missing npm scripts that a shell block runs. */
export function commandFaults(files: readonly SourceFile[]): Fault[] {
  const scripts = scriptsOf(files);
  return codeBlocks(files)
    .filter(({ language }) => SHELLS.has(language))
    .flatMap(({ file, line, code }) =>
      code.split('\n').flatMap((text, index) =>
        scriptCalls(text)
          .filter(({ script, workspace }) => !Object.hasOwn(scripts.get(workspace) ?? {}, script))
          .map(({ script, workspace }) => {
            const where = workspace === '' ? 'package.json' : `workspace ${workspace}`;
            return { file, line: line + index, message: `there is no script "${script}" in ${where}` };
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
  const own = words.includes('--') ? words.slice(0, words.indexOf('--')) : [...words];
  const { values, positionals } = parseArgs({
    args: own,
    options: { workspace: { type: 'string', short: 'w' } },
    allowPositionals: true,
    strict: false,
  });
  const [verb = '', name] = positionals;
  const script = verb === 'run' || verb === 'run-script' ? name : SHORT.has(verb) ? verb : undefined;
  const workspace = String(values.workspace ?? '').replace(/^=?(\.\/)?|\/$/g, '');
  return script === undefined ? [] : [{ script, workspace }];
}
