import { dial } from './http-lane.ts';

/** What ended a socket: the server's close frame, or 1006 for the end of the connection without one. */
export interface Ending {
  readonly code: number;
  /** By `performance.now()`. */
  readonly at: number;
}

/**
 * A WebSocket (RFC 6455) on a connection of its own, without extensions and pings. Thousands of them take little memory,
 * and its CPU is not what a bench measures.
 */
export interface BenchSocket {
  /** Resolves at the first frame of text; rejects when the socket ends before. */
  readonly opened: Promise<void>;
  readonly ended: Promise<Ending>;
  send(text: string): void;
  close(): void;
}

const TEXT = 0x1;
const CLOSE = 0x8;
const NO_CLOSE_FRAME = 1006;

export async function openSocket(
  url: URL,
  protocols: readonly string[] = [],
  onText: (text: string) => void = () => {},
): Promise<BenchSocket> {
  const socket = await dial(url);
  let received: Buffer = Buffer.alloc(0);
  let isUpgraded = false;
  const opened = deferred<void>();
  const ended = deferred<Ending>();
  // A caller that is not interested in the first frame has no handler for its absence.
  opened.promise.catch(() => {});

  const end = (code: number, detail = ''): void => {
    ended.resolve({ code, at: performance.now() });
    opened.reject(new Error(`${url}: closed with ${code} ${detail}`));
  };
  socket.on('data', (chunk: Buffer) => {
    received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
    if (!isUpgraded) {
      const at = received.indexOf('\r\n\r\n');
      if (at < 0) return;
      const head = received.subarray(0, at).toString('latin1');
      if (!head.startsWith('HTTP/1.1 101')) {
        end(NO_CLOSE_FRAME, head.slice(0, 40));
        return void socket.destroy();
      }
      isUpgraded = true;
      received = received.subarray(at + 4);
    }
    for (;;) {
      const frame = readFrame(received);
      if (frame === undefined) return;
      received = received.subarray(frame.length);
      if (frame.opcode === TEXT) {
        opened.resolve();
        onText(frame.payload.toString());
      } else if (frame.opcode === CLOSE) {
        const code = frame.payload.length < 2 ? 1005 : frame.payload.readUInt16BE(0);
        end(code, frame.payload.subarray(2).toString());
        socket.end(maskedFrame(CLOSE, frame.payload.subarray(0, 2)));
      }
    }
  });
  socket.on('close', () => end(NO_CLOSE_FRAME));
  socket.write(upgradeRequest(url, protocols));
  return {
    opened: opened.promise,
    ended: ended.promise,
    send: (text) => void socket.write(maskedFrame(TEXT, Buffer.from(text))),
    close: () => void socket.write(maskedFrame(CLOSE, Buffer.from([1000 >> 8, 1000 & 0xff]))),
  };
}

interface Deferred<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(error: Error): void;
}

function deferred<T>(): Deferred<T> {
  let settle: Omit<Deferred<T>, 'promise'> | undefined;
  const promise = new Promise<T>((resolve, reject) => {
    settle = { resolve, reject };
  });
  return { promise, resolve: (value) => settle?.resolve(value), reject: (error) => settle?.reject(error) };
}

function upgradeRequest(url: URL, protocols: readonly string[]): string {
  const lines = [
    `GET ${url.pathname} HTTP/1.1`,
    `host: ${url.host}`,
    'connection: Upgrade',
    'upgrade: websocket',
    'sec-websocket-version: 13',
    'sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==',
    ...(protocols.length === 0 ? [] : [`sec-websocket-protocol: ${protocols.join(', ')}`]),
  ];
  return [...lines, '', ''].join('\r\n');
}

interface Frame {
  readonly opcode: number;
  readonly payload: Buffer;
  /** Of the whole frame, in bytes. */
  readonly length: number;
}

/** The first frame of a server, which masks nothing, or `undefined` while a part of it is missing. */
export function readFrame(bytes: Buffer): Frame | undefined {
  const [first, second] = bytes;
  if (first === undefined || second === undefined) return undefined;
  const short = second & 0x7f;
  const head = short === 127 ? 10 : short === 126 ? 4 : 2;
  if (bytes.length < head) return undefined;
  const size = head === 10 ? Number(bytes.readBigUInt64BE(2)) : head === 4 ? bytes.readUInt16BE(2) : short;
  if (bytes.length < head + size) return undefined;
  return { opcode: first & 0x0f, payload: bytes.subarray(head, head + size), length: head + size };
}

/** A frame of a client of at most 64 KiB. Its mask is zero: the payload stays as it is. */
export function maskedFrame(opcode: number, payload: Buffer): Buffer {
  const size =
    payload.length < 126 ? [0x80 | payload.length] : [0x80 | 126, payload.length >> 8, payload.length & 0xff];
  return Buffer.concat([Buffer.from([0x80 | opcode, ...size, 0, 0, 0, 0]), payload]);
}
