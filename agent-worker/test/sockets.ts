import { exports } from 'cloudflare:workers';
import { type Delivery, SUBPROTOCOL } from '@agent-ticket/shared/handshake.ts';
import { PATIENCE_MS } from '@agent-ticket/shared/test/patience.ts';
import { checked, type Front } from './openapi.ts';

/** A client of the worker, seen from outside: requests, sockets, frames, closes. */

export const HOST = 'http://127.0.0.1:8788';

export const worker: Front = checked((request) => exports.default.fetch(request));

export interface Frame {
  readonly type?: string;
  readonly [member: string]: unknown;
}
interface Close {
  readonly code: number;
  readonly reason: string;
}

const open = new Set<Socket>();

/** Closes what a file's tests left open. */
export async function closeSockets(): Promise<void> {
  for (const socket of open) socket.close();
  await Promise.all([...open].map((socket) => socket.closed()));
  open.clear();
}

/** One end of a socket. Keeps every frame that came, in order. */
export class Socket {
  readonly frames: Frame[] = [];
  #close: Close | undefined;
  #calls = 0;
  readonly #waiting = new Set<() => void>();
  readonly #socket: WebSocket;

  constructor(answer: Response) {
    if (answer.webSocket === null) throw new TypeError(`no socket but ${answer.status}`);
    this.#socket = answer.webSocket;
    this.#socket.addEventListener('message', ({ data }) => {
      this.frames.push(typeof data === 'string' ? JSON.parse(data) : { type: 'binary' });
      this.#wake();
    });
    this.#socket.addEventListener('close', ({ code, reason }) => {
      this.#close ??= { code, reason };
      open.delete(this);
      this.#wake();
    });
    this.#socket.accept();
    open.add(this);
  }

  send(frame: object | string | ArrayBuffer): void {
    this.#socket.send(
      typeof frame === 'string' || frame instanceof ArrayBuffer ? frame : JSON.stringify(frame),
    );
  }

  close(code = 1000, reason = 'done'): void {
    if (this.#close === undefined) this.#socket.close(code, reason);
  }

  /** The first frame of a type, come or yet to come. */
  frame(type: string): Promise<Frame> {
    return this.#until(type, () => this.frames.find((frame) => frame.type === type));
  }

  /** The first frame that fits, of those after the first `seen`. */
  next(seen: number, fits: (frame: Frame) => boolean): Promise<Frame> {
    return this.#until('another frame', () => this.frames.slice(seen).find(fits));
  }

  closed(): Promise<Close> {
    return this.#until('a close', () => this.#close);
  }

  /** Calls a method as the stock client does; its answer, whatever it says. */
  async call(method: string, ...args: unknown[]): Promise<Frame> {
    this.#calls += 1;
    const id = `call-${this.#calls}`;
    this.send({ type: 'rpc', id, method, args });
    return this.#until(`the answer to ${method}`, () => this.frames.find((frame) => frame.id === id));
  }

  async #until<T>(what: string, read: () => T | undefined): Promise<T> {
    const deadline = performance.now() + PATIENCE_MS;
    for (let value = read(); ; value = read()) {
      if (value !== undefined) return value;
      const left = deadline - performance.now();
      if (left <= 0)
        throw new Error(`waited for ${what}; came: ${JSON.stringify([this.frames, this.#close])}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#waiting.add(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }
}

/** The headers and query that carry a ticket in one of the three ways. */
export function carry(
  ticket: string,
  delivery: Delivery,
): { headers: Record<string, string>; query: string } {
  switch (delivery) {
    case 'query':
      return { headers: {}, query: `?ticket=${ticket}` };
    case 'authorization':
      return { headers: { authorization: `Bearer ${ticket}` }, query: '' };
    case 'subprotocol':
      return { headers: { 'sec-websocket-protocol': `${SUBPROTOCOL}, ${ticket}` }, query: '' };
  }
}

interface Upgrade {
  readonly ticket?: string;
  readonly delivery?: Delivery;
  readonly headers?: Record<string, string>;
  readonly method?: string;
  readonly host?: string;
  readonly front?: Front;
}

/** Asks for a socket at a path without normalising it, and returns the raw answer. */
export function upgrade(path: string, options: Upgrade = {}): Promise<Response> {
  const { ticket, delivery = 'query', headers = {}, method = 'GET', host = HOST, front = worker } = options;
  const carried = ticket === undefined ? { headers: {}, query: '' } : carry(ticket, delivery);
  const query = path.includes('?') ? carried.query.replace('?', '&') : carried.query;
  return front(
    new Request(`${host}${path}${query}`, {
      method,
      headers: { upgrade: 'websocket', ...carried.headers, ...headers },
    }),
  );
}

export const connect = async (path: string, options: Upgrade = {}): Promise<Socket> =>
  new Socket(await upgrade(path, options));

/** A plain request at a path, with the ticket where a plain request may have it. */
export function ask(
  path: string,
  options: Omit<Upgrade, 'delivery'> & { body?: string } = {},
): Promise<Response> {
  const { ticket, headers = {}, method = 'GET', host = HOST, front = worker, body } = options;
  const carried = ticket === undefined ? {} : { authorization: `Bearer ${ticket}` };
  const init = { method, headers: { ...carried, ...headers }, ...(body === undefined ? {} : { body }) };
  return front(new Request(`${host}${path}`, init));
}

/** How a socket was refused: the close, every frame before it (there should be none), and the answer's headers. */
export async function refusedSocket(answer: Response) {
  const socket = new Socket(answer);
  const close = await socket.closed();
  return { status: answer.status, ...close, frames: socket.frames };
}
