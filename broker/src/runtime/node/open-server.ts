import { once } from 'node:events';
import { createServer } from 'node:http';
import { getRequestListener } from '@hono/node-server';

/** Against callers that send slowly to hold sockets. All requests are small; an answer may take as long as it needs. */
const LIMITS = {
  headersTimeout: 10_000,
  requestTimeout: 20_000,
  connectionsCheckingInterval: 1_000,
  keepAliveTimeout: 5_000,
  maxHeaderSize: 16 * 1024,
} as const;

/** The interval at which a stopping server closes connections that have become idle. */
const LOOK_MS = 50;

interface Place {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
}

/** The address of a request's caller, from the socket and `X-Forwarded-For`. */
interface Sender {
  readonly peer: string | undefined;
  /** `X-Forwarded-For`, several joined by commas. */
  readonly forwardedFor: string | null;
}

interface OpenServer {
  readonly url: string;
  /** Takes no new requests; those under way may end within so many ms, after which their sockets are cut. */
  stop(patienceMs: number): Promise<void>;
}

/** Listens with a fetch handler. Rejects when the port is in use or the host is no address of this machine. */
export async function openServer(
  { host, port }: Place,
  handle: (request: Request, sender: Sender) => Response | Promise<Response>,
): Promise<OpenServer> {
  const listener = getRequestListener(
    (request, { incoming }) => {
      const hops = incoming.headers['x-forwarded-for'];
      return handle(request, {
        peer: incoming.socket.remoteAddress,
        forwardedFor: Array.isArray(hops) ? hops.join(',') : (hops ?? null),
      });
    },
    { overrideGlobalObjects: false },
  );
  const server = createServer(LIMITS, (incoming, outgoing) => void listener(incoming, outgoing));
  server.listen(port, host);
  await once(server, 'listening').catch((error: unknown) => {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`HOST, PORT: the broker cannot listen there: ${why}`, { cause: error });
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no TCP address');
  const name = address.family === 'IPv6' ? `[${address.address}]` : address.address;
  return {
    url: `http://${name}:${address.port}`,
    async stop(patienceMs) {
      const closed = once(server, 'close');
      server.close();
      // A connection that was busy when the server closed would be kept for another request.
      const look = setInterval(() => server.closeIdleConnections(), LOOK_MS);
      const cut = setTimeout(() => server.closeAllConnections(), patienceMs);
      await closed;
      clearInterval(look);
      clearTimeout(cut);
    },
  };
}
