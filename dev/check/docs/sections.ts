import type { Fault } from '../fault.ts';
import type { SourceFile } from '../repository.ts';
import { GENERATORS } from './generators.ts';
import { isMarkdown, markdownLines } from './markdown.ts';

const END = '<!-- end generated -->';
const START = /^<!-- generated: ([\w-]+) -->$/;

interface Rendered {
  readonly text: string;
  readonly faults: readonly Fault[];
}

/** The document with every generated section made new. Markers inside code blocks are examples and stay as they are. */
export function renderSections({ path, text }: SourceFile, generators = GENERATORS): Rendered {
  const out: string[] = [];
  const faults: Fault[] = [];
  let open: { readonly name: string; readonly line: number } | undefined;
  for (const line of markdownLines(text)) {
    const fault = (message: string) => faults.push({ file: path, line: line.number, message });
    const marker = line.block === undefined ? line.text.trim() : '';
    const name = START.exec(marker)?.[1];
    if (name !== undefined) {
      const generate = Object.hasOwn(generators, name) ? generators[name] : undefined;
      if (open !== undefined) fault(`section ${name} begins inside section ${open.name}`);
      if (generate === undefined) fault(`nothing generates "${name}"`);
      open = { name, line: line.number };
      out.push(line.text, '', generate?.() ?? '', '');
    } else if (marker === END) {
      if (open === undefined) fault('ends a generated section that did not begin');
      open = undefined;
      out.push(line.text);
    } else if (open === undefined) out.push(line.text);
  }
  if (open !== undefined)
    faults.push({ file: path, line: open.line, message: `section ${open.name} does not end` });
  return { text: out.join('\n'), faults };
}

/** Sections that differ from what the code says, or cannot be made. */
export function sectionFaults(files: readonly SourceFile[], generators = GENERATORS): Fault[] {
  return files.filter(isMarkdown).flatMap((file) => {
    const { text, faults } = renderSections(file, generators);
    if (faults.length > 0 || text === file.text) return faults;
    return [{ file: file.path, message: 'generated tables differ from the code: run npm run docs' }];
  });
}
