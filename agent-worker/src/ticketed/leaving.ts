import type { PlainEnd } from './endings.ts';

/** RFC 6455 §7.4.1: no close frame came; and one came without a code. Neither is ever sent. */
const BROKEN = 1006;
const NO_CODE = 1005;

/** How a client left, by the code of its close. */
export const howLeft = (code: number): PlainEnd => (code === BROKEN ? 'connection_lost' : 'client_closed');

/**
 * Lets the agent hear of a close and answers it. The SDK leaves one without a code unanswered, which is how a page closes,
 * and an agent may keep every close to itself: their clients would wait. To answer twice does nothing.
 */
export async function answerClose(
  ws: WebSocket,
  code: number,
  reason: string,
  tellAgent: () => void | Promise<void>,
): Promise<void> {
  if (code === NO_CODE) ws.close(1000);
  try {
    await tellAgent();
  } finally {
    if (code !== NO_CODE && code !== BROKEN) ws.close(code, reason);
  }
}
