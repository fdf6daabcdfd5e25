import { createInterface } from 'node:readline';
import type { Input } from './command.ts';

/** See `Terminal.openInput`. The prompt is on the error output: the output may be a file. */
export function openInput(prompt: string): Input {
  const isTerminal = process.stdin.isTTY === true;
  const lines = createInterface({
    input: process.stdin,
    output: process.stderr,
    prompt,
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
    if (isTerminal && !closing) process.stderr.write('\n');
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
