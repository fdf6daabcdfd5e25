import { QUERY_PARAMETER, SUBPROTOCOL } from '@agent-ticket/shared/handshake.ts';
import type { Transport } from '@agent-ticket/shared/names.ts';
import { TicketRefused, TicketUnavailable } from './errors.ts';
import { createMintQueue } from './mint-queue.ts';
import { scheduleFor } from './mint-schedule.ts';
import { resolveOptions, type TicketProviderOptions } from './options.ts';
import { type ClientPorts, globalPorts, MAX_TIMER_MS, type SocketLike, untilVisible } from './ports.ts';
import {
  refusalOf,
  requestTicket,
  signInUrlOf,
  type TicketAnswer,
  type TicketResult,
} from './request-ticket.ts';
import { createSockets, type SocketClass } from './sockets.ts';

export * from './errors.ts';
export type { Credential, TicketProviderOptions } from './options.ts';

/** Options for `useAgent` and `AgentClient` of the Agents SDK. */
export interface AgentOptions {
  readonly agent: string;
  readonly name: string;
  readonly host: string;
  /** Differs for each provider, and changes at each {@link TicketProvider.reset}: the hook then replaces its socket. */
  readonly id: string;
  readonly WebSocket: SocketClass;
  readonly protocols?: () => Promise<string[]>;
  readonly query?: () => Promise<Record<string, string>>;
  readonly queryDeps?: unknown[];
  readonly cacheTtl?: number;
  readonly transferEnqueuedMessages?: boolean;
}

export interface TicketProvider {
  /** All options of `useAgent` or `AgentClient`, with renewal. Throws a `TypeError` if there is no `WebSocket`. */
  agentOptions(): AgentOptions;
  /** `protocols` of PartySocket, with a new ticket at each call. Resolves without a ticket after a refusal. */
  protocols(): Promise<string[]>;
  /** `Authorization` for plain HTTP to the agent, such as the history of a chat. Rejects as {@link mint} does. */
  headers(): Promise<Record<string, string>>;
  /**
   * One ticket, for `new WebSocket(url, protocols)`. Rejects with {@link TicketRefused} or {@link TicketUnavailable}.
   */
  mint(): Promise<{ url: string; protocols: string[] }>;
  /**
   * Renews the session of a socket that was created without {@link agentOptions}. Returns a function that stops this.
   */
  attachRenewal(socket: SocketLike): () => void;
  /**
   * Renews the session of each open socket in band, for example after a grant has changed. Renews each socket at most
   * once in ten seconds. Does nothing for anonymous sessions. Does NOT report whether the agent accepted the renewal: a
   * refused renewal does not change the session.
   */
  renewNow(): void;
  /** The refusal, if there is no connection because of one. The next ticket clears it. */
  readonly refusal: TicketRefused | undefined;
  /** Calls the listener when {@link refusal} changes. Returns a function that stops this. */
  subscribe(listener: () => void): () => void;
  /** Call this after a sign-in or sign-out. Clears the state, and makes open sockets reconnect as the new principal. */
  reset(): void;
}

/** A ticket this close to its expiry may have expired on arrival. */
const HTTP_MARGIN_MS = 10_000;
/** Events that show that a person uses the page again. */
const USER_ACTIVITY = ['pointerdown', 'keydown', 'focus', 'visibilitychange'];

let created = 0;

/**
 * Gets tickets from the broker for one agent instance, one for each socket that opens, as often as the limits allow.
 * Keeps tickets and credentials in memory only. Does nothing while a page is rendered on a server.
 */
export function createTicketProvider(options: TicketProviderOptions): TicketProvider {
  const settings = resolveOptions(options);
  const { broker, host, agent, instance, credential, delivery, runsIn } = settings;
  const ports: ClientPorts = { ...globalPorts, ...options.ports };
  /** The refusal of every request while a server renders a page. */
  const onServer = runsIn === 'server-render' ? refusalOf({ status: 400, code: 'SERVER_RENDER' }) : undefined;
  /** Changes when another principal may be signed in. */
  let id = `t${created++}`;
  let userReturn: Promise<unknown> | undefined;

  const schedule = scheduleFor(`${broker} ${agent} ${instance}`, ports, runsIn === 'browser');
  const queue = createMintQueue({ ...ports, schedule, request });

  let refusal: TicketRefused | undefined;
  const listeners = new Set<() => void>();
  function setRefusal(to?: TicketRefused): void {
    refusal = to;
    for (const listener of listeners) listener();
  }

  /** A result that was requested before a reset is discarded. */
  async function request(transport: Transport): Promise<TicketResult> {
    const before = id;
    const result = await requestTicket(transport, settings, ports);
    if (before !== id) return request(transport);
    if (!(result instanceof TicketUnavailable))
      setRefusal(result instanceof TicketRefused ? result : undefined);
    return result;
  }

  async function mint(transport: Transport): Promise<TicketAnswer> {
    if (onServer) throw onServer;
    return queue(transport);
  }

  const http = createHttpHeaders(() => mint('http'), schedule.clock);
  const sockets = createSockets({
    ...ports,
    schedule,
    refusal: () => refusal ?? onServer,
    renews: credential.kind !== 'none',
    mint: () => mint('websocket'),
    onRefused: (status, code) =>
      setRefusal(refusalOf({ status, code, signInUrl: signInUrlOf(settings, ports) })),
    onIdle() {
      userReturn = untilVisible(ports, USER_ACTIVITY);
    },
  });

  /**
   * One ticket, or none after a refusal: a stock client retries after a rejection, but closes a socket without a ticket
   * for good. `patient`: waits through an outage rather than reject.
   */
  async function oneOrNone(patient: boolean): Promise<string[]> {
    for (;;) {
      try {
        await userReturn;
        return [(await mint('websocket')).ticket];
      } catch (error) {
        if (error instanceof TicketRefused) return [];
        if (!(patient && error instanceof TicketUnavailable)) throw error;
      }
    }
  }
  const protocols = async (): Promise<string[]> => [SUBPROTOCOL, ...(await oneOrNone(false))];

  let pendingQuery: Promise<Record<string, string>> | undefined;
  /** The hook calls again with each close that it observes, and forgets its earlier call. */
  const query = (): Promise<Record<string, string>> =>
    // Patient: a rejection would unmount the component and its page.
    (pendingQuery ??= oneOrNone(true)
      .then(([ticket]): Record<string, string> => (ticket ? { [QUERY_PARAMETER]: ticket } : {}))
      .finally(() => {
        pendingQuery = undefined;
      }));

  return {
    protocols,
    agentOptions() {
      // A stock client would ask for a ticket, fail to open its socket, and ask again, for ever.
      if (!(onServer || options.ports?.openSocket || globalThis.WebSocket))
        throw new TypeError('no WebSocket before Node 22');
      return {
        agent,
        name: instance,
        host,
        id,
        WebSocket: sockets.SocketClass,
        // Messages that one person typed are not sent as another.
        ...(delivery === 'query'
          ? { query, queryDeps: [broker, host, id], cacheTtl: MAX_TIMER_MS }
          : { protocols, transferEnqueuedMessages: false }),
      };
    },
    headers: async () => (onServer ? {} : http.headers()),
    async mint() {
      const { url, ticket } = await mint('websocket');
      return { url: url.replace(/\?.*/, ''), protocols: [SUBPROTOCOL, ticket] };
    },
    attachRenewal: sockets.attach,
    renewNow: sockets.renewNow,
    get refusal() {
      return refusal;
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    reset() {
      id = `t${created++}`;
      http.forget();
      setRefusal();
      schedule.retryNow();
      sockets.reconnectAll();
    },
  };
}

/**
 * `Authorization` for plain HTTP. Such a ticket opens no socket and is good for more than one request, so it is kept
 * for its life, counted from before the request for it.
 */
function createHttpHeaders(
  mint: () => Promise<TicketAnswer>,
  clock: () => number,
): { headers(): Promise<Record<string, string>>; forget(): void } {
  let kept: Promise<TicketAnswer>;
  let until = 0;
  const forget = (): void => {
    until = 0;
  };

  function renew(): Promise<TicketAnswer> {
    const since = clock();
    // Concurrent callers wait for the same answer.
    until = since + MAX_TIMER_MS;
    return mint()
      .finally(forget)
      .then((answer) => {
        until = since + answer.expiresIn * 1000 - HTTP_MARGIN_MS;
        return answer;
      });
  }

  return {
    async headers() {
      if (clock() >= until) kept = renew();
      return { authorization: `Bearer ${(await kept).ticket}` };
    },
    forget,
  };
}
