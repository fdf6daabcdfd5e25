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

/** Addresses that documents use, each with what answers in its place; those of a paste come first and win. */
function placed(text: string, more: Readonly<Record<string, string>>): string {
  const { broker, agentWorker } = inject('stack');
  const places = new Map([
    ...Object.entries(more),
    ['https://broker.example.com', more['https://broker.example.com'] ?? broker] as const,
    ['https://agents.example.com', agentWorker] as const,
  ]);
  return [...places].reduce((all, [from, to]) => all.replaceAll(from, to), text);
}

export interface Paste {
  /** What the reader has set. */
  readonly env?: Readonly<Record<string, string>>;
  /** Addresses beside the broker's and the agent worker's, and what answers in their place. */
  readonly places?: Readonly<Record<string, string>>;
  /** Where the shell is. */
  readonly folder?: string;
}

/** Runs a block as a reader would who pastes it into a shell. Answers what it printed; rejects when a command fails. */
export async function paste(
  { text }: Pick<Block, 'text'>,
  { env = {}, places = {}, folder }: Paste = {},
): Promise<string> {
  const script = `set -euo pipefail\n${placed(text, places)}`;
  const { stdout } = await promisify(execFile)('bash', ['--norc', '-c', script], {
    env: { PATH: process.env.PATH, NO_PROXY: '127.0.0.1', ...env },
    cwd: folder,
  });
  return stdout;
}

/** Text of a document with the addresses of this stack in it. */
export const placedText = (text: string): string => placed(text, {});
