import { QUERY_PARAMETER } from '../src/handshake.ts';
import { closedSocket, closeEvent } from './close-event.ts';
import { CLOSE_OF_STATUS, type TicketRefused } from './errors.ts';
import { type ClientPorts, listen, OPEN, type RawSocket, type SocketLike } from './ports.ts';
import { recordOf } from './ticket-answer.ts';
import { type WatchPorts, watchSocket } from './watch-socket.ts';

/** What PartySocket makes its sockets with. */
export type SocketClass = new (url: string, protocols?: string | string[]) => object;

export interface SocketsPorts extends Omit<WatchPorts, 'meant'>, Pick<ClientPorts, 'page' | 'openSocket'> {
  readonly refusal: () => TicketRefused | undefined;
  /** The object closed a socket on which nobody spoke. */
  readonly onIdle: () => void;
}

export interface Sockets {
  readonly SocketClass: SocketClass;
  /** Watches and renews a socket that was made otherwise; answers how to stop. */
  attach(socket: SocketLike): () => void;
  /** Has all open sockets come back with new tickets. */
  dropAll(): void;
}

const IDLE = 4008;
/** A code on which stock clients come back. */
const COME_BACK = 3000;

/** Where tickets meet sockets: renewal in band, and what the life of a socket says about the next ticket. */
export function createSockets(ports: SocketsPorts): Sockets {
  const { page } = ports;
  const alive = new Set<RawSocket>();
  const meant = new WeakSet<SocketLike>();
  const watching = { ...ports, meant };
  /** The last address; with a query it has a ticket in it. */
  let used: string;

  /** With `new` before it, a class whose `new` answers another object: what a stock client takes as WebSocket. */
  function open(url: string, protocols?: string | string[]): object {
    const ticketed = url.includes(`${QUERY_PARAMETER}=`);
    // While the hook waits for its query, its socket goes on trying with the ticket that it has used.
    if (ticketed && url === used) return closedSocket(COME_BACK);
    used = url;
    const refusal = ticketed || protocols?.[1] ? undefined : ports.refusal();
    return refusal
      ? closedSocket(refusal.status + CLOSE_OF_STATUS, refusal.code.toLowerCase())
      : track(ports.openSocket(url, protocols));
  }

  function track(socket: RawSocket): RawSocket {
    const stop = watchSocket(socket, watching, (event, code) => {
      stop();
      deaf();
      alive.delete(socket);
      // A stock client would give up; in a page this one comes back when the person does.
      if (code !== IDLE || page.document === undefined) return;
      ports.onIdle();
      event.stopImmediatePropagation();
      socket.dispatchEvent(closeEvent(COME_BACK));
    });
    // A socket that was open while there was no network hears of its end late or never.
    const deaf = listen(page, ['online'], () => drop(socket));
    alive.add(socket);
    return socket;
  }

  function drop(socket: RawSocket): void {
    if (socket.readyState !== OPEN) return;
    meant.add(socket);
    socket.dispatchEvent(closeEvent(COME_BACK));
    socket.close();
  }

  const SocketClass = open as unknown as SocketClass;
  return {
    SocketClass,
    dropAll() {
      for (const socket of alive) drop(socket);
    },
    // A PartySocket that makes its sockets with ours has them watched already.
    attach: (socket) =>
      recordOf(recordOf(socket).partySocketOptions).WebSocket === SocketClass
        ? () => {}
        : watchSocket(socket, watching),
  };
}
