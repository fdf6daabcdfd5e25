import { PING } from '@agent-ticket/shared/heartbeat.ts';
import { closeEvent, listen, type SocketLike } from './ports.ts';

export interface HeartbeatOptions {
  /** Seconds between two pings, 5 to 3,600; default 30. A dead connection is found within twice this time. */
  readonly seconds?: number;
}

const DEFAULT_SECONDS = 30;
/** Each ping is a message that the network carries, of each page that is open. */
const LEAST_SECONDS = 5;
/** No network keeps an idle connection for longer; a timer of weeks would overflow, and fire at once. */
const MOST_SECONDS = 3600;
const OPEN = 1;
/** With this reason PartySocket abandons an attempt: the other side failed. The provider counts the end as a loss. */
const LOST = [1000, 'timeout'] as const;

/** A stock client, or a plain `WebSocket`. */
interface BeatingSocket extends SocketLike {
  dispatchEvent(event: Event): boolean;
  reconnect?(code: number, reason: string): void;
}

/**
 * Finds a connection that is dead though no close event says so: a network or proxy that drops it silently leaves it open
 * for minutes. Sends a ping while the socket is open. After one without an answer until the next a stock client reconnects,
 * and a plain `WebSocket` has a close event with 1000 and the reason `timeout`; there, attach this before other listeners.
 * Takes `AgentClient`, the result of `useAgent` and a plain `WebSocket`, and goes on when the socket opens again. Returns a
 * function that stops it. Throws a `TypeError` for seconds beyond 5 to 3,600.
 *
 * The agent worker answers without waking the object, and without counting the ping as use: an idle session still ends.
 * Does NOT help where the other side has no ticketed agent: then nothing answers.
 */
export function attachHeartbeat(
  socket: BeatingSocket,
  { seconds = DEFAULT_SECONDS }: HeartbeatOptions = {},
): () => void {
  if (!(seconds >= LEAST_SECONDS && seconds <= MOST_SECONDS))
    throw new TypeError(`heartbeat: seconds must be ${LEAST_SECONDS} to ${MOST_SECONDS}`);
  let timer: ReturnType<typeof setInterval> | undefined;
  let isUnanswered = false;
  /** The end of a plain socket. Chromium reports it once more after a minute, in which it waits for the other side. */
  let end: Event | undefined;

  function beat(): void {
    if (socket.readyState !== OPEN) return;
    if (!isUnanswered) {
      isUnanswered = true;
      socket.send(PING);
    } else if (socket.reconnect) socket.reconnect(...LOST);
    else {
      end = closeEvent(...LOST);
      socket.dispatchEvent(end);
      socket.close(...LOST);
    }
  }
  function start(): void {
    clearInterval(timer);
    isUnanswered = false;
    timer = setInterval(beat, seconds * 1000);
  }

  // Any frame shows that the connection lives.
  const unlisten = listen(socket, ['open', 'message', 'close'], (event) => {
    if (event.type === 'open') start();
    else if (event.type === 'message') isUnanswered = false;
    else {
      clearInterval(timer);
      if (end && event !== end) event.stopImmediatePropagation();
    }
  });
  if (socket.readyState === OPEN) start();
  return () => {
    clearInterval(timer);
    if (!end) unlisten();
  };
}
