import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { realpath, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hasCode } from 'agent-ticket/src/error-code.ts';

/**
 * Reserves the data in a folder until this process ends, in any way: two runtimes on the same databases lock each other
 * out. Rejects with a message that names the folder when another process has reserved it.
 */
export async function reserveFolder(folder: string): Promise<void> {
  const name = createHash('sha256')
    .update(await realpath(folder))
    .digest('hex')
    .slice(0, 32);
  // Not in the folder itself: the address of a socket has at most about a hundred characters.
  const address = join(tmpdir(), `agent-ticket-${name}.sock`);
  if (await canListen(address)) return;
  if (await answers(address)) throw new Error(`another start runs on ${folder}: stop it, or set DEV_DIR`);
  // The socket of a process that was killed.
  await rm(address, { force: true });
  if (!(await canListen(address)))
    throw new Error(`another start runs on ${folder}: stop it, or set DEV_DIR`);
}

/** Whether this process could listen on the address, which it does until it ends. */
async function canListen(address: string): Promise<boolean> {
  const server = createServer((socket) => socket.destroy()).unref();
  try {
    server.listen(address);
    await once(server, 'listening');
  } catch (error) {
    if (hasCode(error, 'EADDRINUSE')) return false;
    throw error;
  }
  process.once('exit', () => rmSync(address, { force: true }));
  return true;
}

async function answers(address: string): Promise<boolean> {
  const socket = connect(address);
  try {
    await once(socket, 'connect');
    return true;
  } catch (error) {
    // No process listens, or the socket is gone.
    if (hasCode(error, 'ECONNREFUSED', 'ENOENT')) return false;
    throw error;
  } finally {
    socket.destroy();
  }
}

interface ReservedPort {
  readonly port: number;
  /** Resolves when the port is free again. */
  release(): Promise<void>;
}

/**
 * Reserves a loopback port and serves nothing on it; 0 takes any free one. Rejects with a message that names the port
 * when it is taken.
 */
export function reservePort(port: number, owner: string): Promise<ReservedPort> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        error.code === 'EADDRINUSE'
          ? new Error(
              `port ${port} is taken, and the ${owner} needs it: stop what listens there and start again`,
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
