import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import type { Input } from './command.ts';

/** See `Terminal.openInput`. The prompt is on the error output: the output may be a file. */
export function openInput(prompt: string, isSecret = false): Input {
  const isTerminal = process.stdin.isTTY === true;
  // The library shows what is typed by writing it: here nothing reads that.
  const unseen = new Writable({ write: (_chunk, _encoding, done) => done() });
  if (isSecret) process.stderr.write(prompt);
  const lines = createInterface({
    input: process.stdin,
    output: isSecret ? unseen : process.stderr,
    prompt: isSecret ? '' : prompt,
    terminal: isTerminal,
  });
  /** Lines of a pipe come many at once. */
  const waiting: string[] = [];
  let take: ((line: string | undefined) => void) | undefined;
  let ended = false;
  let closing = false;
  lines.on('line', (line) => {
    if (take === undefined) waiting.push(line);
    else take(line);
    take = undefined;
  });
  lines.once('close', () => {
    ended = true;
    // Ctrl-C and Ctrl-D leave the cursor behind the typed text.
    if (isTerminal && (isSecret || !closing)) process.stderr.write('\n');
    take?.(undefined);
  });
  const redraw = (): void => {
    if (isTerminal && !ended) lines.prompt(true);
  };
  return {
    next() {
      if (waiting.length > 0 || ended) return Promise.resolve(waiting.shift());
      redraw();
      return new Promise((taken) => {
        take = taken;
      });
    },
    redraw,
    close() {
      closing = true;
      lines.close();
    },
  };
}
