import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { Server } from 'node:net';
import { isLoopback } from '@agent-ticket/shared/settings.ts';
import { getRequestListener } from '@hono/node-server';

/**
 * Limits for callers that send slowly to occupy sockets. All requests are small; an answer may take as long as it needs.
 * A proxy must close an idle connection earlier than `keepAliveTimeout`, or it may send a request into the close.
 */
const LIMITS = {
  headersTimeout: 10_000,
  requestTimeout: 20_000,
  connectionsCheckingInterval: 1_000,
  keepAliveTimeout: 5_000,
  maxHeaderSize: 16 * 1024,
} as const;

interface Place {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  /** File descriptor of a listening TCP socket that this process inherited; it takes the place of host and port. */
  readonly inheritedSocket: number | undefined;
  /** Refuses any other address. The address of an inherited socket is not known earlier. */
  readonly loopbackOnly: boolean;
}

/** The sender of a request, by its socket and its headers. */
interface Sender {
  readonly peer: string | undefined;
  /** `X-Forwarded-For`, several joined by commas. */
  readonly forwardedFor: string | null;
  /** `X-Forwarded-Proto`, likewise. */
  readonly forwardedProto: string | null;
}

const joined = (header: string | readonly string[] | undefined): string | null =>
  typeof header === 'string' ? header : (header?.join(',') ?? null);

interface OpenServer {
  readonly url: string;
  /**
   * Takes no new connections. A connection that is open already is served, closed with its next answer, and otherwise
   * once it was idle for `keepAliveTimeout`: closed earlier, it could have a request on its way. What is left after so
   * many ms is cut.
   */
  stop(patienceMs: number): Promise<void>;
}

/**
 * Listens with a fetch handler. Rejects when the port is taken, the host is not an address of this machine, or the
 * inherited socket is refused.
 */
export async function openServer(
  place: Place,
  handle: (request: Request, sender: Sender) => Response | Promise<Response>,
): Promise<OpenServer> {
  // It replaces the global Request and Response by classes that stay a plain record until a caller reads them as a stream.
  const listener = getRequestListener((request, { incoming }) => {
    return handle(request, {
      peer: incoming.socket.remoteAddress,
      forwardedFor: joined(incoming.headers['x-forwarded-for']),
      forwardedProto: joined(incoming.headers['x-forwarded-proto']),
    });
  });
  const underWay = new Set<ServerResponse>();
  let isStopping = false;
  const server = createServer(LIMITS, (incoming, outgoing) => {
    underWay.add(outgoing);
    outgoing.once('close', () => underWay.delete(outgoing));
    if (isStopping) outgoing.shouldKeepAlive = false;
    void listener(incoming, outgoing);
  });
  const url = await listen(server, place);
  return {
    url,
    async stop(patienceMs) {
      isStopping = true;
      for (const outgoing of underWay) outgoing.shouldKeepAlive = false;
      const closed = once(server, 'close');
      // `close` of an HTTP server would close idle connections at once.
      Server.prototype.close.call(server);
      const cut = setTimeout(() => server.closeAllConnections(), patienceMs);
      await closed;
      clearTimeout(cut);
    },
  };
}

/** Answers the address as a URL. */
async function listen(server: Server, { host, port, inheritedSocket, loopbackOnly }: Place): Promise<string> {
  const listening = once(server, 'listening');
  if (inheritedSocket === undefined) server.listen(port, host);
  else server.listen({ fd: inheritedSocket });
  const source = inheritedSocket === undefined ? 'HOST, PORT' : 'LISTEN_FDS';
  await listening.catch((error: unknown) => {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`${source}: the broker cannot listen there: ${why}`, { cause: error });
  });
  const bound = server.address();
  const address = bound === null || typeof bound === 'string' ? undefined : bound;
  const name = address?.family === 'IPv6' ? `[${address.address}]` : address?.address;
  if (address === undefined || name === undefined || (loopbackOnly && !isLoopback(name))) {
    server.close();
    const why = address === undefined ? 'is no TCP socket' : 'is not on loopback, and AUTH_MODE is none';
    throw new Error(`${source}: the socket that the broker should listen on ${why}`);
  }
  return `http://${name}:${address.port}`;
}
