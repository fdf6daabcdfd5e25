import { AsyncLocalStorage } from 'node:async_hooks';
import { SimSocket } from './sockets.ts';
import { syncCrypto } from './webcrypto.ts';
import type { World } from './world.ts';

/**
 * The globals of the Workers runtime: time, timers, randomness, cryptography, network and log. Each uses the present
 * {@link World}. They are installed once. Code that runs later has no other source of any of them.
 */

/** The implementations behind the globals. */
export interface Realm {
  readonly world: World;
  readonly fetch: (request: Request) => Promise<Response>;
  readonly log: (line: string) => void;
}

let present: Realm | undefined;
export const enter = (realm: Realm): void => {
  present = realm;
};
function realm(): Realm {
  if (present === undefined) throw new Error('no world is running');
  return present;
}
export const presentWorld = (): World => realm().world;

const define = (name: string, value: unknown): void => {
  Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
};

interface Init {
  readonly cf?: object;
}

const memberOf = (object: unknown, name: string): unknown =>
  typeof object === 'object' && object !== null ? Reflect.get(object, name) : undefined;

/** A request with `cf`, the metadata that the Workers runtime adds. */
class SimRequest extends Request {
  constructor(input: string | URL | Request, init: RequestInit & Init = {}) {
    super(
      input,
      init.body === undefined || init.body === null ? init : Object.assign({ duplex: 'half' }, init),
    );
    Object.defineProperty(this, 'cf', { value: init.cf ?? memberOf(input, 'cf') });
  }
}

const SWITCHING = 101;

/** A response with a socket and with the status 101, which only the Workers runtime allows. */
class SimResponse extends Response {
  constructor(body?: BodyInit | null, init: ResponseInit & Init = {}) {
    const { status = 200, webSocket = null } = init;
    const { statusText, headers } = init;
    super(body, {
      ...(statusText === undefined ? {} : { statusText }),
      ...(headers === undefined ? {} : { headers }),
      status: status === SWITCHING ? 200 : status,
    });
    Object.defineProperty(this, 'webSocket', { value: webSocket });
    if (status === SWITCHING) Object.defineProperty(this, 'status', { value: status });
  }
  static override json(data: unknown, init: ResponseInit = {}): Response {
    const headers = new Headers(init.headers);
    if (!headers.has('content-type')) headers.set('content-type', 'application/json');
    return new SimResponse(JSON.stringify(data), { ...init, headers });
  }
}

const RealDate = Date;
class SimDate extends RealDate {
  constructor(...values: readonly unknown[]) {
    const [value] = values;
    if (values.length === 0) super(presentWorld().clock());
    else if (values.length === 1 && (typeof value === 'number' || typeof value === 'string')) super(value);
    else if (value instanceof RealDate) super(value.getTime());
    else throw new TypeError('no such date here');
  }
  static override now(): number {
    return presentWorld().clock();
  }
}

class SimSocketPair {
  readonly 0: SimSocket;
  readonly 1: SimSocket;
  constructor() {
    const { 0: client, 1: server } = SimSocket.pair(presentWorld());
    this[0] = client;
    this[1] = server;
  }
}

type Work = (...values: readonly unknown[]) => unknown;

/** Sets a timer of the current isolate or object. It does not run after the end of that isolate or object. */
function setTimer(work: Work, ms = 0, ...values: readonly unknown[]) {
  const { world } = realm();
  // The work runs in the async context in which the timer was set.
  const run = AsyncLocalStorage.bind(() => work(...values));
  return world.later(ms, world.current(), 'timer', run);
}

type Timer = { isCancelled: boolean };
const isTimer = (value: unknown): value is Timer =>
  typeof value === 'object' && value !== null && 'isCancelled' in value;
const clearTimer = (timer: unknown): void => {
  if (isTimer(timer)) timer.isCancelled = true;
};

function repeat(work: Work, ms = 0): Timer {
  const timer: Timer = { isCancelled: false };
  const again = (): void => {
    setTimer(() => {
      if (timer.isCancelled) return;
      work();
      again();
    }, ms);
  };
  again();
  return timer;
}

const wait = (ms: number, { signal }: { readonly signal?: AbortSignal } = {}): Promise<void> =>
  new Promise((resolve, reject) => {
    const timer = setTimer(() => resolve(), ms);
    signal?.addEventListener('abort', () => {
      clearTimer(timer);
      reject(signal.reason);
    });
  });

function randomBytes(length: number): Buffer {
  const { world } = realm();
  const stream = world.random(world.current().name);
  return Buffer.from(Array.from({ length }, () => stream.below(256)));
}

/** Replaces the globals of this process. */
export function installRealm(): void {
  // Each run makes thousands of errors, and nobody reads their stacks.
  Error.stackTraceLimit = 4;
  define('Date', SimDate);
  define('setTimeout', setTimer);
  define('clearTimeout', clearTimer);
  define('setInterval', repeat);
  define('clearInterval', clearTimer);
  define('setImmediate', (work: Work, ...values: readonly unknown[]) => setTimer(work, 0, ...values));
  define('scheduler', { wait });
  define('crypto', syncCrypto(randomBytes));
  define('Request', SimRequest);
  define('Response', SimResponse);
  define('WebSocket', SimSocket);
  define('WebSocketPair', SimSocketPair);
  define('WebSocketRequestResponsePair', class {});
  define('fetch', (input: string | URL | Request, init?: RequestInit) =>
    realm().fetch(new SimRequest(input, init)),
  );
  const log = (...parts: readonly unknown[]): void => realm().log(parts.map(String).join(' '));
  define('console', { ...console, log, error: log, warn: log });
  Math.random = () => {
    const { world } = realm();
    return world.random(world.current().name).below(2 ** 30) / 2 ** 30;
  };
  AbortSignal.timeout = (ms: number) => {
    const controller = new AbortController();
    setTimer(() => controller.abort(new DOMException('timed out', 'TimeoutError')), ms);
    return controller.signal;
  };
}
