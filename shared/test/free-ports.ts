import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * Between the ports that browsers refuse and those that a system gives to a program which asks for any port (from 32768 on Linux):
 * such a port may be a stranger's before the test uses it.
 */
const [FIRST, END] = [12_000, 32_000];
const MOST_TRIES = 20;

/** A server on a free port. */
async function holdPort() {
  for (let tries = 1; ; tries += 1) {
    const port = randomInt(FIRST, END);
    const server = createServer((socket) => socket.destroy());
    try {
      server.listen(port, '127.0.0.1');
      await once(server, 'listening');
      return { port, server };
    } catch (error) {
      const isTaken = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
      if (!isTaken || tries === MOST_TRIES) throw error;
    }
  }
}

/** Different ports of loopback that nothing listens on, for servers that are told their port. */
export async function freePorts(count: number): Promise<number[]> {
  const held = await Promise.all(Array.from({ length: count }, holdPort));
  await Promise.all(held.map(({ server }) => new Promise((closed) => server.close(closed))));
  return held.map(({ port }) => port);
}
