import { readFile } from 'node:fs/promises';
import { posix } from 'node:path';
import { renderMermaidSVG } from 'beautiful-mermaid';
import { parseMarkdown } from '../check/markdown.ts';
import { ROOT } from '../quiet-environment.ts';

/**
 * The pages of the site, read from `docs/`. The order, the groups and the descriptions are those of `docs/README.md`, so
 * that the index in the repository and the sidebar of the site cannot differ.
 */

const INDEX = 'docs/README.md';
export const REPOSITORY = 'https://github.com/agent-ticket/agent-ticket-broker';

export interface Entry {
  /** Without the folder `docs` and without an ending, as `operate/keys`: the path of the page on the site. */
  readonly id: string;
  /** Relative to the top folder. */
  readonly path: string;
  readonly label: string;
  readonly description: string;
}

export interface Group {
  readonly label: string;
  readonly entries: readonly Entry[];
}

export interface Page {
  readonly id: string;
  readonly path: string;
  readonly title: string;
  readonly description: string;
  /** As in the repository. */
  readonly markdown: string;
  /** Without the title, with links of the site, and with diagrams as pictures. */
  readonly page: string;
}

const ROW = /^\| \[(.+?)\]\((.+?)\.md\) \| (.+) \|$/;

/** The groups of the index, in its order. Groups without a table of pages are left out. */
export function groupsOf(index: string): Group[] {
  return index
    .split(/^## /m)
    .slice(1)
    .map((section) => {
      const [label = '', ...lines] = section.split('\n');
      const entries = lines.flatMap((line) => {
        const [, name, id, description] = ROW.exec(line) ?? [];
        if (name === undefined || id === undefined || description === undefined) return [];
        return [{ id, path: `docs/${id}.md`, label: name, description }];
      });
      return { label: label.trim(), entries };
    })
    .filter(({ entries }) => entries.length > 0);
}

const LINK = /(\]\(\s*<?)([^)\s>]+)/g;

/**
 * A link of a document as the site needs it: to a page of the site, or to the file in the repository.
 *
 * @param ids the pages of the site, by their path.
 */
export function siteLink(
  target: string,
  path: string,
  ids: ReadonlyMap<string, string>,
  base: string,
): string {
  if (/^[a-z]+:|^#/.test(target)) return target;
  const [to = '', anchor] = target.split('#');
  const found = posix.join(posix.dirname(path), to);
  const id = ids.get(found);
  const fragment = anchor === undefined ? '' : `#${anchor}`;
  if (id === undefined) return `${REPOSITORY}/blob/main/${found}${fragment}`;
  return `${base}${id === 'index' ? '' : `${id}/`}${fragment}`;
}

/** The colours follow the theme of the site, since they are variables of its style sheet. */
const DIAGRAM = {
  bg: 'var(--sl-color-bg)',
  fg: 'var(--sl-color-text)',
  line: 'var(--sl-color-gray-3)',
  accent: 'var(--sl-color-text-accent)',
  muted: 'var(--sl-color-gray-2)',
  surface: 'var(--sl-color-bg-nav)',
  border: 'var(--sl-color-gray-4)',
  font: 'inherit',
};

/**
 * A diagram as a picture in the page, so that the site loads no library for it. Its source is its text: readers who do not
 * see the picture get the same statements.
 */
function picture(source: string, heading: string): string {
  // The library's style loads a font from another host. The site loads nothing from other hosts.
  const svg = renderMermaidSVG(source, DIAGRAM).replace(/@import url\([^)]*\);?/g, '');
  const text = source.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('{', '&#123;');
  const name = heading.replaceAll('"', '&quot;');
  // Narrower than this, its text is too small to read, so the figure scrolls.
  const narrowest = Math.round(0.75 * Number(/ width="([\d.]+)"/.exec(svg)?.[1]));
  // A blank line would end the HTML block.
  const drawn = svg
    .replace('<svg ', `<svg role="img" aria-label="Diagram: ${name}" `)
    .replace(/(<svg [^>]*style=")/, `$1min-width:${narrowest}px;`)
    .replace(/\n\s*\n/g, '\n');
  return `<figure class="diagram">${drawn}<figcaption><details><summary>The diagram as text</summary><pre>${text.replace(/\n/g, '&#10;')}</pre></details></figcaption></figure>`;
}

/** The document as a page: see {@link Page.page}. */
export function pageOf(
  path: string,
  markdown: string,
  ids: ReadonlyMap<string, string>,
  base: string,
): string {
  const { blocks, prose } = parseMarkdown({ path, text: markdown });
  const lines = markdown.split('\n');
  for (const { number, text } of prose) {
    if (/^<!-- .* -->$/.test(text.trim())) lines[number - 1] = '';
    else
      lines[number - 1] = text.replace(
        LINK,
        (_, lead: string, target: string) => `${lead}${siteLink(target, path, ids, base)}`,
      );
  }
  for (const { language, line, code, heading } of blocks.toReversed())
    if (language === 'mermaid') lines.splice(line - 2, code.split('\n').length + 2, picture(code, heading));
  const title = lines.findIndex((line) => line.startsWith('# '));
  return lines.slice(title + 1).join('\n');
}

export const readIndex = (): Promise<string> => readFile(`${ROOT}${INDEX}`, 'utf8');

/** Reads every page of the index, and the index itself, which is the first page. `base` begins and ends with `/`. */
export async function readPages(base: string): Promise<Page[]> {
  const entries = groupsOf(await readIndex()).flatMap((group) => group.entries);
  const all = [{ id: 'index', path: INDEX, description: 'All pages, by reader.' }, ...entries];
  const ids = new Map(all.map(({ id, path }) => [path, id]));
  return Promise.all(
    all.map(async ({ id, path, description }) => {
      const markdown = await readFile(`${ROOT}${path}`, 'utf8');
      const title = /^# (.+)$/m.exec(markdown)?.[1];
      if (title === undefined) throw new Error(`${path} has no title`);
      return { id, path, title, description, markdown, page: pageOf(path, markdown, ids, base) };
    }),
  );
}

/** The index for programs that read: https://llmstxt.org. `base` begins and ends with `/`. */
export function llmsText(groups: readonly Group[], base: string): string {
  const sections = groups.map(({ label, entries }) =>
    [
      `## ${label}`,
      '',
      ...entries.map((entry) => `- [${entry.label}](${base}${entry.id}.md): ${entry.description}`),
    ].join('\n'),
  );
  return [
    '# Agent ticket broker',
    '> Exchanges the identity of a caller for a ticket that opens one WebSocket to one agent instance, once.',
    ...sections,
  ].join('\n\n');
}
