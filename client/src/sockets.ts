import { QUERY_PARAMETER } from '@agent-ticket/shared/handshake.ts';
import type { TicketRefused } from './errors.ts';
import type { MintSchedule } from './mint-schedule.ts';
import { type ClientPorts, closeEvent, listen, type SocketLike } from './ports.ts';
import { recordOf } from './request-ticket.ts';

/** The constructor with which PartySocket creates its sockets. */
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
/** The caller exceeded a limit, which the reason names. Stock clients stop at this code. */
const LIMIT = 1008;
/** A code on which stock clients reconnect. */
const RECONNECT = 3000;
/** A final close of the agent worker is 4000 plus the last two digits of the corresponding HTTP status. */
const CLOSE_OF_STATUS = 4000 - 400;

/**
 * A socket that stayed open so long was admitted and is no part of a loop. Longer than the stock client's 5 s: with the
 * wait after a loss, sockets that close directly after this time still cause no more than five mints a minute.
 */
const LASTED_MS = 10_000;
/** The beginning of the frame. The client tests every frame, and some are large, so it parses none. */
const EXPIRING = /^\s*\{\s*"type"\s*:\s*"ticket\.expiring"/;
/** The reason with which PartySocket abandons an attempt: the other side failed, this side did not choose to close. */
const ABANDONED = 'timeout';

/** Connects tickets and sockets: renews in band, and decides from the end of a socket when the next mint may start. */
export function createSockets(ports: SocketsPorts): Sockets {
  const { page, after, schedule } = ports;
  const opened = new Set<RawSocket>();
  const renewals = new Set<() => Promise<void>>();
  /** Sockets that this side has closed or is about to close. Their end is no sign of a fault on the other side. */
  const closedHere = new WeakSet<SocketLike>();
  /** The last address; with a query it contains a ticket. */
  let lastUrl: string;

  /** A call with `new` returns another object, so a stock client can use this as its WebSocket class. */
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
    // A socket that was open without a network gets its close event late or never.
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
   * Renews the session of a socket in band, and decides from its end how soon the next mint may start. Works with sockets
   * that open again. Returns a function that stops this.
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
    // If a PartySocket creates its sockets with this class, the class watches them already.
    attach: (socket) =>
      recordOf(recordOf(socket).partySocketOptions).WebSocket === open ? () => {} : watch(socket),
  };
}

/** Replaces a socket that must not open. It closes at once, and sends nothing over the network. */
function closedSocket(code: number, reason?: string): object {
  const socket = Object.assign(new EventTarget(), { readyState: CLOSED });
  // After the caller has added its listeners.
  queueMicrotask(() => socket.dispatchEvent(closeEvent(code, reason)));
  return socket;
}
