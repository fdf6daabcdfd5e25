import type { Terminal } from '../command.ts';

export interface Answer {
  readonly status: number;
  readonly text: string;
}

/** Undefined where nothing answers. */
export async function answerOf(url: string, terminal: Terminal): Promise<Answer | undefined> {
  try {
    const response = await terminal.fetch(url);
    return { status: response.status, text: await response.text() };
  } catch (error) {
    // A fetch without a connection rejects with this class.
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}
