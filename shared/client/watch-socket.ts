import { statusOfClose } from './errors.ts';
import type { Pace } from './pace.ts';
import { type ClientPorts, listen, OPEN, type SocketLike } from './ports.ts';

export interface WatchPorts extends Pick<ClientPorts, 'after'> {
  readonly pace: Pace;
  /** Sockets that are closed, or about to be, by this side: that says nothing about the other. */
  readonly meant: WeakSet<SocketLike>;
  /** Sessions of nobody in particular do not renew. */
  readonly renews: boolean;
  /** Rejects only when there is no ticket to be had. */
  readonly mint: () => Promise<{ readonly ticket: string }>;
  readonly onRefused: (status: number, reason: string) => void;
}

type SocketEvent = Event & { readonly data?: unknown; readonly code?: number; readonly reason?: string };

/**
 * A socket that lived so long was admitted and is no part of a loop. Longer than the stock client's 5 s: with the
 * wait after a loss, sockets that die right after it still make no more than five a minute.
 */
const PROOF_MS = 10_000;
/** How the frame begins. Every frame passes here, and some are large: none is parsed. */
const EXPIRING = /^\s*\{\s*"type"\s*:\s*"ticket\.expiring"/;
/** The reason with which PartySocket gives up an attempt: the failure of the other side, not a wish of this one. */
const GAVE_UP = 'timeout';

/**
 * Renews the session of a socket in band, and learns from its life how fast the next ticket may be minted. Works with
 * sockets that open again. Answers how to stop.
 */
export function watchSocket(
  socket: SocketLike,
  ports: WatchPorts,
  onClose?: (event: Event, code: number) => void,
): () => void {
  const { after, pace, meant } = ports;
  let proved = false;
  let heard = false;
  let renewing = false;
  let cancel = (): void => {};

  const prove = (): void => {
    cancel();
    cancel = after(PROOF_MS, () => {
      proved = true;
      renewing = false;
      pace.proved();
    });
  };

  async function renew(): Promise<void> {
    renewing = true;
    // Without a ticket the session ends with 3000, the socket comes back, and the broker has the word.
    const minted = await ports.mint().catch(() => undefined);
    if (minted && socket.readyState === OPEN) {
      socket.send(JSON.stringify({ type: 'ticket.renew', ticket: minted.ticket }));
      // Whoever can make the agent say what the object says gets no more out of it than a ticket in this time.
      prove();
    } else renewing = false;
  }

  const unlisten = listen(socket, ['open', 'message', 'close'], (event: SocketEvent) => {
    const { type, data, code = 0, reason = '' } = event;
    if (type === 'open') {
      pace.hurry();
      prove();
    } else if (type === 'close') {
      cancel();
      if (!meant.delete(socket)) pace[proved ? 'lost' : 'failed']();
      else if (heard) pace.used();
      proved = heard = renewing = false;
      const status = statusOfClose(code);
      if (status !== undefined) ports.onRefused(status, reason);
      onClose?.(event, code);
    } else {
      heard = true;
      if (ports.renews && !renewing && EXPIRING.test(String(data))) void renew();
    }
  });
  const close = socket.close.bind(socket);
  socket.close = (code, reason) => {
    if (reason !== GAVE_UP) meant.add(socket);
    close(code, reason);
  };
  return () => {
    cancel();
    unlisten();
  };
}
