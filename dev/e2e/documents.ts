import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { inject } from 'vitest';
import { parseMarkdown } from '../check/markdown.ts';
import { ROOT } from '../quiet-environment.ts';

/** A code block of a document. */
export interface Block {
  readonly document: string;
  /** Text of the nearest heading above. */
  readonly heading: string;
  readonly language: string;
  /** Line of the opening fence, from 1. */
  readonly line: number;
  readonly text: string;
}

/** The code blocks of a document, a path relative to the top folder, in their order. */
export async function blocksOf(document: string): Promise<Block[]> {
  const { blocks } = parseMarkdown({ path: document, text: await readFile(`${ROOT}${document}`, 'utf8') });
  return blocks.map(({ heading, language, line, code }) => ({
    document,
    heading,
    language,
    line: line - 1,
    text: code,
  }));
}

/** Blocks that a reader would paste into a shell to ask something over HTTP. */
export const requestsOf = async (document: string): Promise<Block[]> =>
  (await blocksOf(document)).filter(({ language, text }) => language === 'sh' && /\bcurl\b/.test(text));

/** Replaces the addresses in documents by those of this stack. Those of a paste take precedence. */
function withAddresses(text: string, more: Readonly<Record<string, string>>): string {
  const { broker, agentWorker } = inject('stack');
  const addresses = new Map([
    ...Object.entries(more),
    ['https://broker.example.com', more['https://broker.example.com'] ?? broker] as const,
    ['https://agents.example.com', agentWorker] as const,
  ]);
  return [...addresses].reduce((all, [from, to]) => all.replaceAll(from, to), text);
}

export interface Paste {
  /** Variables of the reader's shell. */
  readonly env?: Readonly<Record<string, string>>;
  /** Further addresses in the block, each with its replacement. */
  readonly addresses?: Readonly<Record<string, string>>;
  /** Working folder of the shell. */
  readonly folder?: string;
}

/** Runs a block in a shell. Resolves with its output; rejects when a command fails. */
export async function paste(
  { text }: Pick<Block, 'text'>,
  { env = {}, addresses = {}, folder }: Paste = {},
): Promise<string> {
  const script = `set -euo pipefail\n${withAddresses(text, addresses)}`;
  const { stdout } = await promisify(execFile)('bash', ['--norc', '-c', script], {
    env: { PATH: process.env.PATH, NO_PROXY: '127.0.0.1', ...env },
    cwd: folder,
  });
  return stdout;
}

/** Text of a document with the addresses of this stack. */
export const localText = (text: string): string => withAddresses(text, {});
