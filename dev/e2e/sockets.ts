import { AgentClient, type AgentClientOptions } from 'agents/client';
import { inject, onTestFinished } from 'vitest';
import { type Opening, PromptSocket } from './prompt-socket.ts';

/** Everything that one socket received from opening to close. */
export interface Seen {
  readonly frames: readonly string[];
  readonly code: number;
  readonly reason: string;
  /** The subprotocol that the server chose; empty: none. */
  readonly protocol: string;
}

export interface OpenSocket {
  readonly socket: WebSocket;
  /** Every frame so far, in order. */
  readonly frames: readonly string[];
  readonly closed: Promise<Seen>;
}

/** A plain WebSocket that keeps every frame from the first on; closed when the test ends. */
export function openSocket(url: string, opening: Opening = {}): OpenSocket {
  const socket = new PromptSocket(url, opening);
  onTestFinished(() => socket.close());
  const frames: string[] = [];
  socket.addEventListener('message', ({ data }) => frames.push(String(data)));
  const closed = new Promise<Seen>((resolve) => {
    socket.addEventListener('close', ({ code, reason }) =>
      resolve({ frames, code, reason, protocol: socket.protocol }),
    );
  });
  return { socket, frames, closed };
}

/** The next incoming frame. Rejects when the socket closes before. */
export const nextFrame = (socket: WebSocket): Promise<string> =>
  new Promise((resolve, reject) => {
    socket.addEventListener('message', ({ data }) => resolve(String(data)), { once: true });
    socket.addEventListener('close', ({ code, reason }) => reject(new Error(`closed: ${code} ${reason}`)));
  });

/** A socket that the server should close. After a first frame of the server this client closes it at once. */
export function watchToClose(url: string, opening?: Opening): Promise<Seen> {
  const { socket, closed } = openSocket(url, opening);
  socket.addEventListener('message', () => socket.close(1000));
  return closed;
}

/** The WebSocket URL of an instance, with query parameters. */
export function socketUrl(
  agent: string,
  instance: string,
  query: Readonly<Record<string, string>> = {},
): string {
  const url = new URL(`/agents/${agent}/${instance}`, inject('stack').agentWorker);
  url.protocol = 'ws:';
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  return url.href;
}

type Delivery = Pick<AgentClientOptions, 'query' | 'protocols'>;

/** A stock client of the Agents SDK; closed when the test ends. */
export function connect<State = unknown>(
  agent: string,
  name: string,
  options: Delivery & Partial<AgentClientOptions<State>>,
): AgentClient<unknown, State> {
  const host = inject('stack').agentWorker;
  // Longer than the stock 4 s, after which a client tries again with the same ticket: the machine may be busy.
  const client = new AgentClient<unknown, State>({
    agent,
    name,
    host,
    connectionTimeout: 20_000,
    ...options,
  });
  onTestFinished(() => client.close());
  return client;
}

/**
 * A stock client that has received identity and state, on its first connection or a later one. Rejects when it gives
 * up for good.
 */
export const connected = <State = unknown>(
  agent: string,
  name: string,
  options: Delivery & Partial<AgentClientOptions<State>>,
): Promise<AgentClient<unknown, State>> =>
  new Promise((resolve, reject) => {
    const client = connect<State>(agent, name, { onConnectionError: reject, ...options });
    client.addEventListener('message', () => {
      if (client.identified) resolve(client);
    });
  });
