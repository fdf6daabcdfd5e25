import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';

/** What a server answered to bytes: each status, in order, and whether it closed the connection. */
export interface RawAnswer {
  readonly statuses: readonly number[];
  readonly text: string;
  readonly isClosed: boolean;
}

/** Without more bytes for so long an answer is over. */
const IDLE_MS = 250;
/** A server that waits for the rest of a request answers nothing. */
const SILENT_MS = 2_000;

/** Sends bytes over a connection of their own, and reads until the server closes it or says no more. */
export async function sendRaw(server: string, bytes: string | Buffer): Promise<RawAnswer> {
  const { hostname, port } = new URL(server);
  const socket = connect(Number(port), hostname);
  let text = '';
  let isClosed = false;
  socket.on('error', () => {});
  socket.on('data', (data) => {
    text += data.toString('latin1');
  });
  const closed = new Promise<void>((resolve) =>
    socket.on('close', () => {
      isClosed = true;
      resolve();
    }),
  );
  await once(socket, 'connect');
  socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  for (let before = -1; !isClosed && before !== text.length; ) {
    before = text.length;
    await Promise.race([closed, wait(text === '' ? SILENT_MS : IDLE_MS)]);
  }
  socket.destroy();
  const statuses = [...text.matchAll(/^HTTP\/1\.\d (\d{3})/gm)].map(([, status]) => Number(status));
  return { statuses, text, isClosed };
}
