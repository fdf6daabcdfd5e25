/** What the client takes from its surroundings. Tests pass their own; nothing else reads a global. */
export interface ClientPorts {
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  /** Milliseconds by a clock that may be wrong by any amount: only differences are used. */
  readonly now: () => number;
  /** From 0 up to 1. */
  readonly random: () => number;
  /** Runs once after `ms`; answers how to call it off. */
  readonly after: (ms: number, run: () => void) => () => void;
  /** Aborts after `ms`. */
  readonly timeout: (ms: number) => AbortSignal;
  readonly page: Page;
  /** Makes the real socket. */
  readonly openSocket: (url: string, protocols: string | string[] | undefined) => RawSocket;
}

/** What a window has. Where there is none, somebody is always there and there always is a network. */
export interface Page {
  readonly document?: { readonly hidden: boolean };
  readonly navigator?: { readonly onLine?: boolean };
  readonly location?: { readonly href: string };
  addEventListener?(type: string, heard: (event: Event) => void): void;
  removeEventListener?(type: string, heard: (event: Event) => void): void;
}

/** Calls back on the named events; answers how to stop. */
export function listen(
  target: Pick<Page, 'addEventListener' | 'removeEventListener'>,
  types: readonly string[],
  heard: (event: Event) => void,
): () => void {
  for (const type of types) target.addEventListener?.(type, heard);
  return () => {
    for (const type of types) target.removeEventListener?.(type, heard);
  };
}

/** What PartySocket, `AgentClient`, the result of `useAgent` and a plain WebSocket have in common. */
export interface SocketLike {
  readonly readyState: number;
  addEventListener(type: string, listener: (event: Event) => void): void;
  removeEventListener(type: string, listener: (event: Event) => void): void;
  send(data: string): unknown;
  close(code?: number, reason?: string): void;
}

export interface RawSocket extends SocketLike {
  dispatchEvent(event: Event): boolean;
}

/** The most that `setTimeout` takes, about 25 days; with more it would fire at once. */
export const MAX_TIMER_MS = 2_147_483_647;

/** States of a socket. Not taken from `WebSocket`, which Node 20 does not have. */
export const OPEN = 1;
export const CLOSED = 3;

/** A page, or a web worker of one: a place whose code and memory the person at the screen can read. */
export const inBrowser = (): boolean => typeof document !== 'undefined' || 'importScripts' in globalThis;

export const globalPorts: ClientPorts = {
  fetch: (url, init) => fetch(url, init),
  now: Date.now,
  random: Math.random,
  after(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
  timeout: (ms) => AbortSignal.timeout(ms),
  openSocket: (url, protocols) => new WebSocket(url, protocols),
  page: globalThis,
};
