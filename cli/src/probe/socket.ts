import { parseJson } from '@agent-ticket/shared/parse-json.ts';
import * as z from 'zod';
import type { Terminal } from '../command.ts';

/** The address, protocols and headers that a client presents to open a socket. */
export interface Presentation {
  readonly url: string;
  readonly protocols: readonly string[];
  /** Headers that a script in a browser cannot set, such as `Origin`. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** The outcome of an attempt to open a socket. */
export interface Seen {
  readonly admitted: boolean;
  /** The close code and the reason of a refusal. Undefined: there was no WebSocket at all. */
  readonly code?: number;
  readonly reason?: string;
  /** The subprotocol and the extensions that the answer names; empty: none. */
  readonly protocol: string;
  readonly extensions: string;
  readonly text: string;
}

/** A socket that is still open after this time was admitted, because a refusal closes at once. */
const ADMITTED_MS = 5_000;
/** After this time, a check assumes that a frame will not come. */
const FRAME_MS = 15_000;
/** The client's own close event waits until the connection ends, which servers delay by some seconds. */
const CLOSE_MS = 30_000;

export interface Closed {
  readonly code: number;
  readonly reason: string;
}

const Frame = z.record(z.string(), z.unknown());
export type Frame = z.infer<typeof Frame>;

/** An open socket, with all frames that it received. */
export interface Socket {
  readonly frames: readonly Frame[];
  /** Whether there is a WebSocket. A refused socket is also open for a moment. */
  opened(): Promise<boolean | undefined>;
  /** Resolves when the socket is admitted or refused. */
  seen(): Promise<Seen>;
  send(frame: string | Uint8Array<ArrayBuffer> | object): void;
  /** The first matching frame, received or still to come. Undefined: no such frame comes. */
  find(isWanted: (frame: Frame) => boolean): Promise<Frame | undefined>;
  /** Undefined: the socket stays open. */
  closed(): Promise<Closed | undefined>;
  close(code?: number): void;
}

/** Opens a socket. The caller must close it. */
export function open(
  { url, protocols, headers }: Presentation,
  terminal: Pick<Terminal, 'openSocket' | 'wait'>,
): Socket {
  const socket = terminal.openSocket(url, protocols, headers);
  const frames: Frame[] = [];
  const wanted = new Set<() => void>();
  const state: { isOpen: boolean; closed: Closed | undefined } = { isOpen: false, closed: undefined };
  const tell = (): void => {
    for (const look of wanted) look();
  };
  socket.addEventListener('open', () => {
    state.isOpen = true;
    tell();
  });
  socket.addEventListener('message', ({ data }) => {
    const frame = Frame.safeParse(parseJson(String(data)));
    frames.push(frame.data ?? {});
    tell();
  });
  socket.addEventListener('close', ({ code, reason }) => {
    state.closed = { code, reason };
    tell();
  });
  /** The first result that is not undefined, or undefined after so many ms. */
  const until = <Result>(look: () => Result | undefined, ms: number): Promise<Result | undefined> =>
    new Promise((resolve) => {
      const over = new AbortController();
      const end = (result: Result | undefined): void => {
        over.abort();
        wanted.delete(attempt);
        resolve(result);
      };
      const attempt = (): void => {
        const result = look();
        if (result !== undefined) end(result);
      };
      wanted.add(attempt);
      attempt();
      if (!over.signal.aborted)
        void terminal.wait(ms, over.signal).then(() => over.signal.aborted || end(undefined));
    });

  return {
    frames,
    send: (frame) =>
      socket.send(typeof frame === 'string' || frame instanceof Uint8Array ? frame : JSON.stringify(frame)),
    find: (isWanted) => until(() => frames.find(isWanted) ?? (state.closed && null), FRAME_MS).then(noNull),
    opened: () => until(() => (state.closed === undefined ? state.isOpen || undefined : false), FRAME_MS),
    closed: () => until(() => state.closed, CLOSE_MS),
    close: (code = 1000) => socket.close(code),
    async seen() {
      await until(() => state.closed ?? (frames.length > 0 || undefined), ADMITTED_MS);
      const { isOpen, closed } = state;
      const answer = { protocol: socket.protocol ?? '', extensions: socket.extensions ?? '' };
      if (isOpen && (frames.length > 0 || closed === undefined))
        return { ...answer, admitted: true, text: 'admitted' };
      return isOpen && closed !== undefined
        ? { ...answer, ...closed, admitted: false, text: `closed with ${closed.code} ${closed.reason}` }
        : { ...answer, admitted: false, text: NO_SOCKET };
    },
  };
}

const NO_SOCKET = 'no WebSocket: something before the agent worker answered';

export const ofType =
  (type: string) =>
  (frame: Frame): boolean =>
    frame.type === type;

/** Whether a session answers a ping. The pong comes after the answers to all earlier frames. */
export async function isOpen(socket: Socket): Promise<boolean> {
  const before = socket.frames.length;
  socket.send({ type: 'ticket.ping' });
  const isPong = ofType('ticket.pong');
  return (
    (await socket.find((frame) => socket.frames.indexOf(frame) >= before && isPong(frame))) !== undefined
  );
}

const noNull = <Value>(value: Value | null | undefined): Value | undefined => value ?? undefined;

/** Opens a socket, reports whether the socket is admitted, and closes it. */
export async function show(
  presentation: Presentation,
  terminal: Pick<Terminal, 'openSocket' | 'wait'>,
): Promise<Seen> {
  const socket = open(presentation, terminal);
  const seen = await socket.seen();
  if (seen.admitted) socket.close();
  return seen;
}
