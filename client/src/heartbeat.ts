import { PING } from '@agent-ticket/shared/heartbeat.ts';
import { closeEvent, listen, type SocketLike } from './ports.ts';

export interface HeartbeatOptions {
  /** Seconds between two pings, 5 to 3,600; default 30. A dead connection is found within twice this time. */
  readonly seconds?: number;
}

const DEFAULT_SECONDS = 30;
/** Each open page sends each ping over the network, so the interval has a minimum. */
const LEAST_SECONDS = 5;
/** No network keeps an idle connection for longer. A timer of weeks would overflow, and run at once. */
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
 * Finds a dead connection without a close event: a network or proxy that drops a connection silently leaves it open
 * for minutes. Sends pings while the socket is open. If no answer comes before the next ping, a stock client
 * reconnects, and a plain `WebSocket` has a close event with 1000 and the reason `timeout`; attach the heartbeat to
 * it before other listeners. Takes `AgentClient`, the result of `useAgent` and a plain `WebSocket`, and continues
 * when the socket opens again. Returns a function that stops the heartbeat. Throws a `TypeError` unless
 * `seconds` is 5 to 3,600.
 *
 * The agent worker answers without waking the object, and without counting the ping as use: an idle session still ends.
 * Needs a ticketed agent at the other side: others do NOT answer.
 */
export function attachHeartbeat(
  socket: BeatingSocket,
  { seconds = DEFAULT_SECONDS }: HeartbeatOptions = {},
): () => void {
  if (!(seconds >= LEAST_SECONDS && seconds <= MOST_SECONDS))
    throw new TypeError(`heartbeat: seconds must be ${LEAST_SECONDS} to ${MOST_SECONDS}`);
  let timer: ReturnType<typeof setInterval> | undefined;
  let isUnanswered = false;
  /** The end of a plain socket. Chromium waits a minute for the other side, and then reports the end again. */
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

  // Any frame shows that the connection works.
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
