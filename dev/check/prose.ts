import { TextlintKernel } from '@textlint/kernel';
import { MarkdownProcessor } from '@textlint/textlint-plugin-markdown/lib/src/MarkdownProcessor.js';
import prh from 'textlint-rule-prh';
import sentenceLength from 'textlint-rule-sentence-length';
import { isMarkdown } from './markdown.ts';
import { type Outcome, outcomeOf } from './report.ts';
import type { SourceFile } from './repository.ts';

/**
 * The words of the documentation, each with the word that a reader of this field expects. The left one is a pattern of
 * words in any case.
 */
const WORDS = {
  'whoever|whichever': 'the noun that it means',
  'showings?': 'presentation',
  'utili[sz]e[sd]?': 'use',
  'leverages?': 'use',
  'in order to': 'to',
  'simply|easily|obviously|of course|needless to say': 'nothing: the reader decides that',
  'seamless(?:ly)?|blazing(?:ly)?|robust|powerful|cutting-edge|world-class': 'a fact',
  'please note': 'nothing',
  'hereby|thereof|therein|whereby': 'plain words',
} as const;

/** Names as their owners write them. */
const NAMES = [
  'WebSocket',
  'JavaScript',
  'TypeScript',
  'GitHub',
  'GitLab',
  'Cloudflare',
  'SQLite',
  'OpenAPI',
  'OAuth',
];

/**
 * In characters. Longer sentences have two ideas. For this rule a full stop after a number or before code ends no
 * sentence.
 */
const MAX_SENTENCE = 300;

const RULES = [
  { ruleId: 'sentence-length', rule: sentenceLength.default, options: { max: MAX_SENTENCE } },
  {
    ruleId: 'words',
    rule: prh.default,
    options: {
      ruleContents: [
        JSON.stringify({
          version: 1,
          rules: [
            ...Object.entries(WORDS).map(([pattern, expected]) => ({
              pattern: `/\\b(?:${pattern})\\b/i`,
              expected,
            })),
            ...NAMES.map((name) => ({ pattern: `/\\b(?!${name})(?:${name})\\b/i`, expected: name })),
          ],
        }),
      ],
    },
  },
];

/** Whether a document is prose for readers. Change logs are history. */
const isProse = (file: SourceFile): boolean =>
  isMarkdown(file) && !file.path.endsWith('CHANGELOG.md') && !file.path.startsWith('.changeset/');

/** The prose of the documents: plain words, short sentences, names as they are written. */
export async function checkProse(files: readonly SourceFile[]): Promise<Outcome> {
  const kernel = new TextlintKernel();
  const documents = files.filter(isProse);
  const results = await Promise.all(
    documents.map(async (file) => {
      // Generated tables are checked where they are made: their rows are no sentences.
      const text = file.text.replaceAll(/<!-- generated: .*?<!-- end generated -->/gs, (table) =>
        table.replaceAll(/[^\n]/g, ''),
      );
      const { messages } = await kernel.lintText(text, {
        ext: '.md',
        filePath: file.path,
        plugins: [{ pluginId: 'markdown', plugin: { Processor: MarkdownProcessor } }],
        rules: RULES,
      });
      return messages.map(({ message, loc }) => ({ file: file.path, line: loc.start.line, message }));
    }),
  );
  return { ...outcomeOf(results.flat()), note: `${documents.length} documents` };
}
