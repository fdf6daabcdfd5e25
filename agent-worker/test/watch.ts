import { expect, vi } from 'vitest';
import { signedTickets } from './tickets.ts';

/** What no test may do, watched in all of them: reach out to the network, and print a ticket. */

/** Every line that worker, objects and SDK printed since the test began. */
export const printed: string[] = [];
const reachedOut: string[] = [];

export function watch(): void {
  printed.length = 0;
  reachedOut.length = 0;
  for (const method of ['log', 'info', 'warn', 'error', 'debug'] as const) {
    vi.spyOn(console, method).mockImplementation((...words: unknown[]) => {
      printed.push(words.map(readable).join(' '));
    });
  }
  vi.spyOn(globalThis, 'fetch').mockImplementation(async (to: unknown) => {
    reachedOut.push(to instanceof Request ? to.url : String(to));
    throw new Error('tests do not reach out');
  });
}

export function expectNothingLeft(): void {
  expect(reachedOut, 'nothing is fetched from the network').toEqual([]);
  const leaked = signedTickets().filter((ticket) => printed.some((line) => line.includes(ticket)));
  expect(leaked, 'no ticket is printed').toEqual([]);
}

const readable = (word: unknown): string =>
  word instanceof Error ? String(word.stack) : typeof word === 'string' ? word : JSON.stringify(word);
