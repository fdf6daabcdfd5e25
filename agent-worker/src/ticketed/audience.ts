import { covers, STATE_READ } from '@agent-ticket/shared/scope.ts';
import type { Keeper } from './keeper.ts';
import { claimsOf } from './session.ts';

/** Frames in which the SDK's chat tells its transcript, which plain HTTP answers to `agent:state:read` alone. */
const TRANSCRIPT = /"type":"cf_agent_(chat_messages|message_updated)"/;

/**
 * Sessions that a broadcast must pass over: those that are over though nobody has closed their sockets yet, and for
 * the transcript of a chat those that may not read the state. The words of an answer in progress go to everybody
 * connected, as do the frames that resume it.
 */
export function passedOver(
  message: string | ArrayBuffer | ArrayBufferView,
  sessionIds: readonly string[],
  keeper: Pick<Keeper, 'current'>,
): string[] {
  const isTranscript = typeof message === 'string' && TRANSCRIPT.test(message);
  return sessionIds.filter((id) => {
    const session = keeper.current(id);
    return !session.ok || (isTranscript && !covers(claimsOf(session.value).scope, STATE_READ));
  });
}
