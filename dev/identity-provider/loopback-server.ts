import { createServer, type RequestListener } from 'node:http';

const ADDRESS = '127.0.0.1';

export interface LoopbackServer {
  /** `http://127.0.0.1:<port>`, without a trailing slash. */
  url: string;
  /** Ends open connections, busy and idle, and resolves when the port is free again. */
  close(): Promise<void>;
}

export async function listenOnLoopback(port: number, listener: RequestListener): Promise<LoopbackServer> {
  const server = createServer(listener);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const why = cause.code === 'EADDRINUSE' ? 'the port is in use' : cause.message;
      reject(new Error(`identity provider cannot listen on ${ADDRESS}:${port}: ${why}`, { cause }));
    });
    server.listen(port, ADDRESS, resolve);
  });
  const address = server.address();
  const bound = typeof address === 'object' && address ? address.port : port;
  return {
    url: `http://${ADDRESS}:${bound}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve()); // closing twice is no mistake
        server.closeAllConnections();
      }),
  };
}
