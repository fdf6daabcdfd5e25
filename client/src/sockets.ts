import { QUERY_PARAMETER } from '@agent-ticket/shared/handshake.ts';
import type { TicketRefused } from './errors.ts';
import type { MintSchedule } from './mint-schedule.ts';
import { type ClientPorts, closeEvent, listen, type SocketLike } from './ports.ts';
import { recordOf } from './request-ticket.ts';

/** The constructor that PartySocket creates its sockets with. */
export type SocketClass = new (url: string, protocols?: string | string[]) => object;
type RawSocket = ReturnType<ClientPorts['openSocket']>;
type SocketEvent = Event & { readonly data?: unknown; readonly code?: number; readonly reason?: string };

interface SocketsPorts extends Pick<ClientPorts, 'after' | 'page' | 'openSocket'> {
  readonly schedule: MintSchedule;
  /** Sessions of anonymous callers do not renew. */
  readonly renews: boolean;
  /** Rejects only when no ticket can be had. */
  readonly mint: () => Promise<{ readonly ticket: string }>;
  readonly refusal: () => TicketRefused | undefined;
  readonly onRefused: (status: number, reason: string) => void;
  /** The agent closed a socket without traffic. */
  readonly onIdle: () => void;
}

interface Sockets {
  readonly SocketClass: SocketClass;
  /** Watches and renews a socket that another class created; returns a function that stops it. */
  attach(socket: SocketLike): () => void;
  /** Renews the session of each open socket. */
  renewNow(): void;
  /** Makes all open sockets reconnect with new tickets. */
  reconnectAll(): void;
}

/** States of a socket. Not taken from `WebSocket`, which Node 20 does not have. */
const OPEN = 1;
const CLOSED = 3;

const IDLE = 4008;
/** Beyond a limit, which the reason names: stock clients stop. */
const LIMIT = 1008;
/** A code on which stock clients reconnect. */
const RECONNECT = 3000;
/** The agent worker's final closes are 4000 and the last two digits of the status that they correspond to. */
const CLOSE_OF_STATUS = 4000 - 400;

/**
 * A socket that lived so long was admitted and is no part of a loop. Longer than the stock client's 5 s: with the
 * wait after a loss, sockets that die right after it still make no more than five a minute.
 */
const LASTED_MS = 10_000;
/** How the frame begins. Every frame is tested, and some are large: none is parsed. */
const EXPIRING = /^\s*\{\s*"type"\s*:\s*"ticket\.expiring"/;
/** The reason with which PartySocket abandons an attempt: the other side failed, this side did not choose to close. */
const ABANDONED = 'timeout';

/** Connects tickets and sockets: renewal in band, and what the life of a socket implies for the next mint. */
export function createSockets(ports: SocketsPorts): Sockets {
  const { page, after, schedule } = ports;
  const opened = new Set<RawSocket>();
  const renewals = new Set<() => Promise<void>>();
  /** Sockets that this side has closed or is about to close: their end says nothing about the other side. */
  const closedHere = new WeakSet<SocketLike>();
  /** The last address; with a query it contains a ticket. */
  let lastUrl: string;

  /** Called with `new` it returns another object, so it serves a stock client as its WebSocket class. */
  function open(url: string, protocols?: string | string[]): object {
    const inQuery = url.includes(`${QUERY_PARAMETER}=`);
    // While the hook waits for its query, its socket retries with the ticket that it has used.
    if (inQuery && url === lastUrl) return closedSocket(RECONNECT);
    lastUrl = url;
    const refusal = inQuery || protocols?.[1] ? undefined : ports.refusal();
    return refusal
      ? closedSocket(refusal.status + CLOSE_OF_STATUS, refusal.code.toLowerCase())
      : track(ports.openSocket(url, protocols));
  }

  function track(socket: RawSocket): RawSocket {
    const stop = watch(socket, (event, code) => {
      stop();
      unlisten();
      opened.delete(socket);
      // A stock client would give up; in a page this socket reconnects when the person returns.
      if (code !== IDLE || !page.document) return;
      ports.onIdle();
      event.stopImmediatePropagation();
      socket.dispatchEvent(closeEvent(RECONNECT));
    });
    // A socket that was open while there was no network learns of its end late or never.
    const unlisten = listen(page, ['online'], () => reconnect(socket));
    opened.add(socket);
    return socket;
  }

  function reconnect(socket: RawSocket): void {
    if (socket.readyState !== OPEN) return;
    closedHere.add(socket);
    socket.dispatchEvent(closeEvent(RECONNECT));
    socket.close();
  }

  /**
   * Renews the session of a socket in band, and derives from its life how soon the next ticket may be minted. Works
   * with sockets that open again. Returns a function that stops it.
   */
  function watch(socket: SocketLike, onClose?: (event: Event, code: number) => void): () => void {
    let lasted = false;
    let received = false;
    let renewing = false;
    let cancel = (): void => {};

    const startTimer = (): void => {
      cancel();
      cancel = after(LASTED_MS, () => {
        lasted = true;
        renewing = false;
        schedule.lasted();
      });
    };

    async function renew(): Promise<void> {
      if (!ports.renews || renewing || socket.readyState !== OPEN) return;
      renewing = true;
      // Without a ticket the session ends with 3000, the socket reconnects, and the broker's answer counts.
      const minted = await ports.mint().catch(() => undefined);
      if (minted && socket.readyState === OPEN) {
        socket.send(JSON.stringify({ type: 'ticket.renew', ticket: minted.ticket }));
        // A client that makes the agent send a forged warning obtains no more than one ticket in this time.
        startTimer();
      } else renewing = false;
    }
    renewals.add(renew);

    const unlisten = listen(socket, ['open', 'message', 'close'], (event: SocketEvent) => {
      const { type, data, code = 0, reason = '' } = event;
      if (type === 'open') {
        schedule.retryNow();
        startTimer();
      } else if (type === 'close') {
        cancel();
        if (!closedHere.delete(socket)) schedule[lasted ? 'lost' : 'failed']();
        else if (received) schedule.used();
        lasted = received = renewing = false;
        if (code >= 4000 && code < 4005) ports.onRefused(code - CLOSE_OF_STATUS, reason);
        if (code === LIMIT) ports.onRefused(429, reason);
        onClose?.(event, code);
      } else {
        received = true;
        if (EXPIRING.test(String(data))) void renew();
      }
    });
    const close = socket.close.bind(socket);
    socket.close = (code, reason) => {
      if (reason !== ABANDONED) closedHere.add(socket);
      close(code, reason);
    };
    return () => {
      cancel();
      unlisten();
      renewals.delete(renew);
    };
  }

  return {
    SocketClass: open as unknown as SocketClass,
    renewNow() {
      for (const renew of renewals) void renew();
    },
    reconnectAll() {
      for (const socket of opened) reconnect(socket);
    },
    // A PartySocket that creates its sockets with this class has them watched already.
    attach: (socket) =>
      recordOf(recordOf(socket).partySocketOptions).WebSocket === open ? () => {} : watch(socket),
  };
}

/** Replaces a socket that must not open: closes at once. Nothing is sent over the network. */
function closedSocket(code: number, reason?: string): object {
  const socket = Object.assign(new EventTarget(), { readyState: CLOSED });
  // After the caller has added its listeners.
  queueMicrotask(() => socket.dispatchEvent(closeEvent(code, reason)));
  return socket;
}
