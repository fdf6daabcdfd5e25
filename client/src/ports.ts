/** The functions of the runtime that the client uses. Tests pass replacements. No other code reads a global. */
export interface ClientPorts {
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  /** Milliseconds by a clock that may be wrong by any amount: the client uses only differences. */
  readonly now: () => number;
  /** From 0 up to 1. */
  readonly random: () => number;
  /** Runs once after `ms`; returns a function that cancels it. */
  readonly after: (ms: number, run: () => void) => () => void;
  /** Aborts after `ms`. */
  readonly timeout: (ms: number) => AbortSignal;
  readonly page: Page;
  /** Creates the real socket. */
  readonly openSocket: (url: string, protocols: string | string[] | undefined) => RawSocket;
}

/** The part of `Window` that the client uses. Without a window, the page counts as visible and online. */
interface Page {
  readonly document?: { readonly hidden: boolean };
  readonly navigator?: { readonly onLine?: boolean };
  readonly location?: { readonly href: string };
  addEventListener?(type: string, listener: (event: Event) => void): void;
  removeEventListener?(type: string, listener: (event: Event) => void): void;
}

/** The common members of PartySocket, `AgentClient`, the result of `useAgent` and a plain WebSocket. */
export interface SocketLike {
  readonly readyState: number;
  addEventListener(type: string, listener: (event: Event) => void): void;
  removeEventListener(type: string, listener: (event: Event) => void): void;
  send(data: string): unknown;
  close(code?: number, reason?: string): void;
}

interface RawSocket extends SocketLike {
  dispatchEvent(event: Event): boolean;
}

/** The longest time that `setTimeout` accepts, about 25 days. A longer timer would run at once. */
export const MAX_TIMER_MS = 2_147_483_647;

/** Calls `listener` on the named events; returns a function that stops it. */
export function listen(
  target: Pick<Page, 'addEventListener' | 'removeEventListener'>,
  types: readonly string[],
  listener: (event: Event) => void,
): () => void {
  for (const type of types) target.addEventListener?.(type, listener);
  return () => {
    for (const type of types) target.removeEventListener?.(type, listener);
  };
}

/** A close for a stock client. Node before 23 has no `CloseEvent`, and there an event with its members is enough. */
export function closeEvent(code: number, reason = ''): Event {
  const members = { code, reason, wasClean: true };
  return typeof CloseEvent === 'undefined'
    ? Object.assign(new Event('close'), members)
    : new CloseEvent('close', members);
}

/** Waits for one of the events while the page is visible, for at most `ms`. Resolves with whether an event came. */
export const untilVisible = (
  { page, after }: Pick<ClientPorts, 'page' | 'after'>,
  types: readonly string[],
  ms = MAX_TIMER_MS,
): Promise<boolean> =>
  new Promise((resolve) => {
    const end = (fired: boolean): void => {
      unlisten();
      cancel();
      resolve(fired);
    };
    const unlisten = listen(page, types, () => {
      if (!page.document?.hidden) end(true);
    });
    const cancel = after(ms, () => end(false));
  });

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
