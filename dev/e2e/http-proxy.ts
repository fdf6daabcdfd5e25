import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { text } from 'node:stream/consumers';
import { onTestFinished } from 'vitest';

/** A close code and its reason. */
export type Refusal = readonly [code: number, reason: string];

/** An HTTP proxy of a server that counts requests, and can fail as networks and servers do. */
export interface HttpProxy {
  /** Replaces the address of the server. */
  readonly url: string;
  /** Instance of every `POST /tickets` so far, in order. */
  readonly mints: readonly string[];
  /** Instance of every upgrade so far, in order. */
  readonly upgrades: readonly string[];
  /**
   * Refuses upgrades as the gate does, with the result of this function for an instance; `undefined` forwards the
   * upgrade. For closes that a test cannot cause at the real gate within a second.
   */
  refuseBy(refusal: (instance: string) => Refusal | undefined): void;
  /** Destroys every socket, as a network that fails. */
  cut(): void;
  /** Drops all data of open sockets without a sign to either side. */
  mute(): void;
  /** As a server that is not running: destroys every socket and no longer listens. */
  stop(): Promise<void>;
  start(): Promise<void>;
}

const ADDRESS = '127.0.0.1';
const MARKER = 'agent-ticket.v1';
const INSTANCE = /^\/agents\/[^/]+\/([^/?]+)/;

/** Starts a proxy of the server at `target` on a free port. It stops when the test ends. */
export async function openHttpProxy(target: string): Promise<HttpProxy> {
  const { hostname, port } = new URL(target);
  const upstream = { host: hostname, port: Number(port) };
  const mints: string[] = [];
  const upgrades: string[] = [];
  const sockets = new Set<Duplex>();
  let refusalOf: (instance: string) => Refusal | undefined = () => undefined;

  async function pass(incoming: IncomingMessage, answer: ServerResponse): Promise<void> {
    const body = await text(incoming);
    const { method, url, headers } = incoming;
    if (method === 'POST' && url === '/tickets') mints.push(JSON.parse(body).instance);
    const asking = request({ ...upstream, method, path: url, headers });
    asking.end(body);
    const [answered]: [IncomingMessage] = await (once(asking, 'response') as Promise<[IncomingMessage]>);
    answer.writeHead(answered.statusCode ?? 502, answered.headers);
    answered.pipe(answer);
  }

  function keep(socket: Duplex): void {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
  }

  function upgrade(incoming: IncomingMessage, socket: Duplex, head: Buffer): void {
    const instance = INSTANCE.exec(incoming.url ?? '')?.[1] ?? '';
    upgrades.push(instance);
    keep(socket);
    const refusal = refusalOf(instance);
    if (refusal) socket.resume().end(refusalBytes(incoming, refusal));
    else join(incoming, socket, head);
  }

  function join(incoming: IncomingMessage, socket: Duplex, head: Buffer): void {
    const other: Socket = connect(upstream);
    keep(other);
    const lines = incoming.rawHeaders.flatMap((name, i, all) => (i % 2 ? [] : `${name}: ${all[i + 1]}`));
    other.write([`GET ${incoming.url} HTTP/1.1`, ...lines, '', ''].join('\r\n'));
    other.write(head);
    for (const [from, to] of [
      [socket, other],
      [other, socket],
    ] as const) {
      from.pipe(to);
      from.on('close', () => to.destroy());
    }
  }

  const server = createServer((incoming, answer) => {
    pass(incoming, answer).catch(() => answer.destroy());
  });
  server.on('upgrade', upgrade);
  const listen = async (at: number): Promise<number> => {
    server.listen(at, ADDRESS);
    await once(server, 'listening');
    const address = server.address();
    return typeof address === 'object' && address ? address.port : at;
  };
  const own = await listen(0);
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  const stop = async (): Promise<void> => {
    if (!server.listening) return;
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    cut();
    await closed;
  };
  onTestFinished(stop);
  return {
    url: `http://${ADDRESS}:${own}`,
    mints,
    upgrades,
    refuseBy(refusal) {
      refusalOf = refusal;
    },
    cut,
    mute() {
      for (const socket of sockets) {
        socket.unpipe();
        socket.resume();
      }
    },
    stop,
    async start() {
      await listen(own);
    },
  };
}

/** The gate's answer to an upgrade that it refuses: accepted, the marker echoed where offered, and closed. */
function refusalBytes({ headers }: IncomingMessage, [code, reason]: Refusal): Buffer {
  const accept = createHash('sha1')
    .update(`${headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`) // RFC 6455 §1.3
    .digest('base64');
  const offered = headers['sec-websocket-protocol']?.split(', ').includes(MARKER);
  const lines = [
    'HTTP/1.1 101 Switching Protocols',
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Accept: ${accept}`,
    ...(offered ? [`Sec-WebSocket-Protocol: ${MARKER}`] : []),
  ];
  const close = Buffer.alloc(4);
  close.writeUInt8(0x88, 0); // FIN and opcode 8 (RFC 6455 §5.5.1)
  close.writeUInt8(2 + reason.length, 1);
  close.writeUInt16BE(code, 2);
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), close, Buffer.from(reason)]);
}
