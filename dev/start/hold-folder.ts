import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { realpath, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hasCode } from '../error-code.ts';

/**
 * Keeps other starts off the data in a folder for as long as this process lives, however it ends: two runtimes on the
 * same databases lock each other out. Rejects with a sentence that names the folder when another process has it.
 */
export async function holdFolder(folder: string): Promise<void> {
  const name = createHash('sha256')
    .update(await realpath(folder))
    .digest('hex')
    .slice(0, 32);
  // Not in the folder itself: the address of a socket holds about a hundred characters.
  const address = join(tmpdir(), `agent-ticket-${name}.sock`);
  if (await listens(address)) return;
  if (await answers(address)) throw new Error(`another start runs on ${folder}: stop it, or set DEV_DIR`);
  // Left behind by a process that was killed.
  await rm(address, { force: true });
  if (!(await listens(address))) throw new Error(`another start runs on ${folder}: stop it, or set DEV_DIR`);
}

/** Whether this process could take the address; it gives it back when it ends. */
async function listens(address: string): Promise<boolean> {
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
    // Nobody listens there, or there is nothing any more.
    if (hasCode(error, 'ECONNREFUSED', 'ENOENT')) return false;
    throw error;
  } finally {
    socket.destroy();
  }
}
