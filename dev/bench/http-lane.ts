import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/**
 * One caller on one kept connection, without Node's HTTP client: that one takes several times the CPU, and on a machine
 * with few cores the load generator takes it from the server.
 */
export interface Lane {
  /** One request at a time. Rejects when the connection ends or the answer has another status. */
  ask(request: Buffer, ...statuses: readonly number[]): Promise<string>;
  close(): void;
}

/** The bytes of a request with a JSON body. */
export function jsonRequest(url: URL, body: unknown, headers: Readonly<Record<string, string>> = {}): Buffer {
  const text = JSON.stringify(body);
  const lines = Object.entries({
    host: url.host,
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(text)),
    ...headers,
  }).map(([name, value]) => `${name}: ${value}`);
  return Buffer.from([`POST ${url.pathname} HTTP/1.1`, ...lines, '', text].join('\r\n'));
}

export async function openLane(url: URL): Promise<Lane> {
  const socket = await dial(url);
  let text = '';
  let waiting: { resolve(answer: Answer): void; reject(error: Error): void } | undefined;
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1');
    const answer = readAnswer(text);
    if (answer === undefined) return;
    text = '';
    waiting?.resolve(answer);
  });
  socket.on('close', () => waiting?.reject(new Error(`${url.host} closed the connection`)));
  return {
    async ask(request, ...statuses) {
      const answer = await new Promise<Answer>((resolve, reject) => {
        waiting = { resolve, reject };
        socket.write(request);
      });
      waiting = undefined;
      if (!statuses.includes(answer.status)) throw new Error(`${url}: ${answer.status} ${answer.body}`);
      return answer.body;
    },
    close: () => void socket.destroy(),
  };
}

/** A connection without Nagle's delay. */
export async function dial(url: URL): Promise<Socket> {
  const socket = connect({ port: Number(url.port), host: url.hostname, noDelay: true });
  await once(socket, 'connect');
  // Every error is followed by `close`.
  socket.on('error', () => {});
  return socket;
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

/** The whole answer at the start of `text` (RFC 9112 §6), or `undefined` while a part of it is missing. */
export function readAnswer(text: string): Answer | undefined {
  const end = text.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const head = text.slice(0, end);
  const status = Number(head.slice(9, 12));
  const rest = text.slice(end + 4);
  if (/\r\ntransfer-encoding: *chunked/i.test(head)) {
    const body = readChunks(rest);
    return body === undefined ? undefined : { status, body };
  }
  const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
  return rest.length < length ? undefined : { status, body: rest.slice(0, length) };
}

function readChunks(text: string): string | undefined {
  let body = '';
  for (let at = 0; ; ) {
    const line = text.indexOf('\r\n', at);
    if (line < 0) return undefined;
    const length = Number.parseInt(text.slice(at, line), 16);
    const next = line + 2 + length + 2;
    if (text.length < next) return undefined;
    if (length === 0) return body;
    body += text.slice(line + 2, line + 2 + length);
    at = next;
  }
}
