import type { TicketRefused, TicketUnavailable } from './errors.ts';
import type { SocketLike } from './ports.ts';
import type { SocketClass } from './sockets.ts';

/** Options for `useAgent` and `AgentClient` of the Agents SDK. */
export interface AgentOptions {
  readonly agent: string;
  readonly name: string;
  readonly host: string;
  /** Another for each provider and each {@link TicketProvider.reset}: the hook then replaces its socket. */
  readonly id: string;
  readonly WebSocket: SocketClass;
  readonly protocols?: () => Promise<string[]>;
  readonly query?: () => Promise<Record<string, string>>;
  readonly queryDeps?: unknown[];
  readonly cacheTtl?: number;
  readonly transferEnqueuedMessages?: boolean;
}

export interface TicketProvider {
  /** All that `useAgent` or `AgentClient` needs, renewal included. */
  useAgentOptions(): AgentOptions;
  /** `protocols` of PartySocket: a new ticket each time. Resolves without one after a refusal. */
  protocols(): Promise<string[]>;
  /** `query` of `useAgent`, only together with {@link queryDeps} and {@link cacheTtl}. */
  query(): Promise<Record<string, string>>;
  readonly queryDeps: unknown[];
  readonly cacheTtl: number;
  /** `Authorization` for plain HTTP to the agent, such as the history of a chat. Rejects as {@link mint} does. */
  headers(): Promise<Record<string, string>>;
  /** One ticket, for `new WebSocket(url, protocols)`. Rejects with {@link TicketRefused} or {@link TicketUnavailable}. */
  mint(): Promise<{ url: string; protocols: string[] }>;
  /** Renews the session of a socket made without {@link useAgentOptions}; answers how to stop. */
  attachRenewal(socket: SocketLike): () => void;
  /** Why there is no connection, if it was refused. Gone with the next ticket. */
  readonly refusal: TicketRefused | undefined;
  /** Calls back when {@link refusal} changes; answers how to stop. */
  subscribe(listener: () => void): () => void;
  /** Somebody signed in or out: forgets what was, and has open sockets come back as whoever it is now. */
  reset(): void;
}
