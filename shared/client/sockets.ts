import { QUERY_PARAMETER } from '../src/handshake.ts';
import { CLOSE_OF_STATUS, statusOfClose, type TicketRefused } from './errors.ts';
import type { Pace } from './pace.ts';
import { CLOSED, type ClientPorts, listen, OPEN, type RawSocket, type SocketLike } from './ports.ts';

/** What PartySocket makes its sockets with. */
export type SocketClass = new (url: string, protocols?: string | string[]) => object;

export interface SocketsPorts extends Pick<ClientPorts, 'after' | 'page' | 'openSocket'> {
  readonly pace: Pace;
  /** Sessions of nobody in particular do not renew. */
  readonly renews: boolean;
  /** Rejects only when there is no ticket to be had. */
  readonly mint: () => Promise<{ readonly ticket: string }>;
  readonly refusal: () => TicketRefused | undefined;
  readonly onRefused: (status: number, reason: string) => void;
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

/**
 * A socket that lived so long was admitted and is no part of a loop. Longer than the stock client's 5 s: with the
 * wait after a loss, sockets that die right after it still make no more than five a minute.
 */
const PROOF_MS = 10_000;
/** How the frame begins. Every frame passes here, and some are large: none is parsed. */
const EXPIRING = /^\s*\{\s*"type"\s*:\s*"ticket\.expiring"/;
const IDLE = 4008;
/** A code on which stock clients come back. */
const COME_BACK = 3000;
/** The reason with which PartySocket gives up an attempt: the failure of the other side, not a wish of this one. */
const GAVE_UP = 'timeout';

/** Where tickets meet sockets: renewal in band, and what the life of a socket says about the next ticket. */
export function createSockets(ports: SocketsPorts): Sockets {
  const { after, page, pace } = ports;
  const alive = new Set<RawSocket>();
  /** Closed, or about to be, by this side: says nothing about the other. */
  const meant = new WeakSet<SocketLike>();

  function watch(socket: SocketLike, onClose?: (event: Event, code: number) => void): () => void {
    let proved = false;
    let heard = false;
    let renewing = false;
    let cancel = (): void => {};

    async function renew(): Promise<void> {
      renewing = true;
      // Without a ticket the session ends with 3000, the socket comes back, and the broker has the word.
      const minted = await ports.mint().catch(() => undefined);
      renewing = false;
      if (minted && socket.readyState === OPEN)
        socket.send(JSON.stringify({ type: 'ticket.renew', ticket: minted.ticket }));
    }

    const unlisten = listen(socket, ['open', 'message', 'close'], (event: SocketEvent) => {
      const { type, data, code = 0, reason = '' } = event;
      if (type === 'open') {
        pace.hurry();
        cancel = after(PROOF_MS, () => {
          proved = true;
          pace.proved();
        });
      } else if (type === 'close') {
        cancel();
        if (!meant.delete(socket)) pace[proved ? 'lost' : 'failed']();
        else if (heard) pace.used();
        proved = heard = false;
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

  /** With `new` before it, a class whose `new` answers another object: what a stock client takes as WebSocket. */
  function open(url: string, protocols?: string | string[]): object {
    const ticketed = protocols?.[1] ?? url.includes(`${QUERY_PARAMETER}=`);
    const refusal = ticketed ? undefined : ports.refusal();
    return refusal ? refusedSocket(refusal) : track(ports.openSocket(url, protocols));
  }

  function track(socket: RawSocket): RawSocket {
    const stop = watch(socket, (event, code) => {
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
      Object(Object(socket).partySocketOptions).WebSocket === SocketClass ? () => {} : watch(socket),
  };
}

type SocketEvent = Event & { readonly data?: unknown; readonly code?: number; readonly reason?: string };

/** A close as a stock client reads it. Node before 23 has no `CloseEvent`; there the members are enough. */
function closeEvent(code: number, reason = ''): Event {
  const facts = { code, reason, wasClean: true };
  return typeof CloseEvent === 'undefined'
    ? Object.assign(new Event('close'), facts)
    : new CloseEvent('close', facts);
}

/** Stands in for a socket that must not open: closes at once, and for good. Nothing goes over the network. */
function refusedSocket(refusal: TicketRefused): object {
  const socket = Object.assign(new EventTarget(), { readyState: CLOSED });
  const close = closeEvent(refusal.status + CLOSE_OF_STATUS, refusal.code.toLowerCase());
  // After the caller has put its listeners on.
  queueMicrotask(() => socket.dispatchEvent(close));
  return socket;
}
