import type { JWK } from 'jose';

/**
 * Virtual time, and a key endpoint inside it. Time moves only when a test moves it, and only after every computation
 * that a step set off is done, so that a test is the same sequence of states in each run.
 */

/** What the endpoint does with one request. `signal` ends at the fetch timeout. */
export type Reply = (signal: AbortSignal, setup: KeySetup) => Promise<Response>;

export interface KeySetup {
  readonly clock: () => number;
  readonly sleep: (ms: number) => Promise<void>;
  /** Times at which the endpoint was asked. */
  readonly fetches: number[];
  /** What it answers from now on. */
  reply: Reply;
  readonly fetchSet: (signal: AbortSignal) => Promise<Response>;
  /** Moves time, running whatever falls due on the way. */
  readonly advance: (ms: number) => Promise<void>;
  /** Moves time until the promise is settled, at most for a minute, and gives its value and the time it took. */
  readonly resolve: <T>(promise: Promise<T>) => Promise<{ value: T; ms: number }>;
  /** Drops the timeout of a fetch, as the runtime does with everything of a request that has ended. */
  readonly forget: (signal: AbortSignal) => void;
  readonly close: () => void;
}

export function createKeySetup(): KeySetup {
  const start = 1_700_000_000_000;
  let now = start;
  let timers: { readonly at: number; readonly run: () => void; readonly signal?: AbortSignal }[] = [];
  const realTimeout = AbortSignal.timeout;
  AbortSignal.timeout = (ms) => {
    const controller = new AbortController();
    const { signal } = controller;
    const run = () => controller.abort(new DOMException('timed out', 'TimeoutError'));
    timers.push({ at: now + ms, run, signal });
    return signal;
  };

  /** Key import is the only work off the event loop; time must not pass while it runs. */
  let importing = 0;
  const realImport = crypto.subtle.importKey;
  crypto.subtle.importKey = new Proxy(realImport, {
    apply: async (target, self: unknown, args: unknown[]) => {
      importing += 1;
      try {
        return await Reflect.apply(target, self, args);
      } finally {
        importing -= 1;
      }
    },
  });
  async function idle(): Promise<void> {
    for (let quiet = 0; quiet < 3; quiet = importing > 0 ? 0 : quiet + 1)
      await new Promise<void>((resolve) => setImmediate(resolve));
  }

  /** Runs the timers of the next moment up to `end`, all of them at once; `false` when there is none. */
  async function step(end: number): Promise<boolean> {
    const next = Math.min(...timers.map(({ at }) => at));
    if (next > end || timers.length === 0) return false;
    now = next;
    const due = timers.filter(({ at }) => at === next);
    timers = timers.filter(({ at }) => at !== next);
    for (const { run } of due) run();
    await idle();
    return true;
  }

  const setup: KeySetup = {
    clock: () => now,
    sleep: (ms) => new Promise((resolve) => timers.push({ at: now + ms, run: resolve })),
    fetches: [],
    reply: down,
    fetchSet: (signal) => {
      setup.fetches.push(now - start);
      return setup.reply(signal, setup);
    },
    advance: async (ms) => {
      const end = now + ms;
      await idle();
      while (await step(end));
      now = end;
    },
    resolve: async (promise) => {
      const began = now;
      let done = false;
      const note = () => {
        done = true;
      };
      promise.then(note, note);
      await idle();
      while (!done)
        if (!(await step(began + 60_000)))
          throw new Error('no answer within a minute, or nothing left that could bring one');
      return { value: await promise, ms: now - began };
    },
    forget: (signal) => {
      timers = timers.filter((timer) => timer.signal !== signal);
    },
    close: () => {
      AbortSignal.timeout = realTimeout;
      crypto.subtle.importKey = realImport;
    },
  };
  return setup;
}

/** The endpoint answers with a set of these keys. */
export const set =
  (...keys: JWK[]): Reply =>
  async () =>
    Response.json({ keys });

/** The endpoint answers with this body. */
export const body =
  (content: string | Uint8Array<ArrayBuffer>, init: ResponseInit = {}): Reply =>
  async () =>
    new Response(content, init);

/** The connection fails at once. */
export const down: Reply = () => Promise.reject(new TypeError('connection refused'));

/** No byte comes until the fetch is given up. */
export const silent: Reply = (signal) =>
  new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));

/** No byte comes, and giving up changes nothing. */
export const deaf: Reply = () => new Promise(() => {});

/** No byte comes and nothing gives up: what is left of a fetch whose request has ended. */
export const dead: Reply = (signal, setup) => {
  setup.forget(signal);
  return new Promise(() => {});
};

/** The answer comes after some time, whether anybody waits or not. */
export const late =
  (ms: number, reply: Reply): Reply =>
  async (signal, setup) => {
    await setup.sleep(ms);
    return reply(signal, setup);
  };

/** Headers come at once, then a byte every 100 ms, until the fetch is given up. */
export const dripping: Reply = async (signal, setup) =>
  new Response(
    new ReadableStream<Uint8Array>({
      async pull(controller) {
        await setup.sleep(100);
        if (signal.aborted) controller.error(signal.reason);
        else controller.enqueue(Uint8Array.of(0x20));
      },
    }),
  );
