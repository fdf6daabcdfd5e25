import { createServer } from 'node:net';

export interface HeldPort {
  readonly port: number;
  /** Resolves when the port is free again. */
  release(): Promise<void>;
}

/**
 * Takes a loopback port and serves nobody on it; 0 takes any free one. Rejects with a sentence that names the port
 * when something else has it.
 */
export function holdPort(port: number, what: string): Promise<HeldPort> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        error.code === 'EADDRINUSE'
          ? new Error(
              `port ${port} is taken, and the ${what} needs it: stop what listens there and start again`,
            )
          : error,
      ),
    );
    server.listen(port, '127.0.0.1', () => {
      const address = server.address();
      resolve({
        port: typeof address === 'object' && address !== null ? address.port : port,
        release: () => new Promise((released) => server.close(() => released())),
      });
    });
  });
}
