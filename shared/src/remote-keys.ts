import {
  type AlgMember,
  isKeySet,
  type KeySet,
  readKeySet,
  type SetAlgorithm,
  type SetKey,
} from './key-set.ts';
import { KEY_SET } from './limits.ts';
import { readBounded } from './read-bounded.ts';

/** Reason for a missing key: the current set lacks it, or no current set could be fetched. */
type KeyMiss = 'unknown' | 'unavailable';
export type KeyLookup<Alg extends string> = SetKey<Alg> | KeyMiss;

export interface RemoteKeysPorts {
  /** One GET of the key set. May reject or hang; both count as failures. */
  readonly fetchSet: (signal: AbortSignal) => Promise<Response>;
  /** Milliseconds; only differences matter. */
  readonly clock: () => number;
  readonly sleep: (ms: number) => Promise<void>;
}

interface RemoteKeysOptions<Alg extends SetAlgorithm> {
  readonly algorithms: readonly Alg[];
  /** Least time between two fetches for an unknown `kid`, and after a failed refresh. Default {@link KEY_SET.cooldownMs}. */
  readonly cooldownMs?: number;
  /** Default: required. */
  readonly alg?: AlgMember;
}

/** Polling step of a request that waits for another's fetch: shorter than a fetch, longer than an event loop turn. */
const WAIT_STEP_MS = 20;

/**
 * Keys of one issuer at one URL, held for the life of an isolate. Create one per issuer and URL: a cache shared by
 * `kid` alone would let one issuer's key verify another's token.
 *
 * A set younger than `KEY_SET.freshMs` answers without a fetch; an older one is refreshed first and, while that
 * fails, still answers up to `KEY_SET.staleMs`. Refreshes and fetches for unknown `kid`s each have a cooldown that
 * counts failures, so that a caller who invents `kid`s or an endpoint that is down costs a bounded number of fetches.
 * Requests share a fetched set but never await each other's promise, which the Workers runtime forbids.
 */
export function createRemoteKeys<Alg extends SetAlgorithm>(
  ports: RemoteKeysPorts,
  options: RemoteKeysOptions<Alg>,
) {
  const cooldownMs = options.cooldownMs ?? KEY_SET.cooldownMs;
  const clock = neverBack(ports.clock, cooldownMs);
  let held: { readonly keys: KeySet<Alg>; readonly at: number } | undefined;
  /** Start of the running fetch. A request that died with its fetch must not block the others for ever. */
  let running: number | undefined;
  let unusable = false;
  const lastTry = { refresh: Number.NEGATIVE_INFINITY, unknown: Number.NEGATIVE_INFINITY };

  const age = (): number => (held === undefined ? Number.POSITIVE_INFINITY : clock() - held.at);
  const isRunning = (): boolean => running !== undefined && clock() - running <= KEY_SET.timeoutMs;

  async function load(why: keyof typeof lastTry): Promise<void> {
    const startedAt = clock();
    running = startedAt;
    lastTry[why] = startedAt;
    try {
      const document = await fetchDocument(ports.fetchSet);
      const keys = document && (await readKeySet(document, options.algorithms, options.alg));
      if (document !== undefined) unusable = keys === undefined && isKeySet(document);
      if (keys !== undefined && (held === undefined || held.at <= startedAt)) held = { keys, at: startedAt };
    } finally {
      if (running === startedAt) running = undefined;
    }
  }

  return {
    /**
     * Whether the set that was fetched last has keys, but none of the algorithms: waiting does not mend that. Until then the
     * keys from before serve as during an outage.
     */
    isUnusable: (): boolean => unusable,

    /** Finds a key. Resolves within the fetch timeout plus `KEY_SET.waitMs`; never rejects for an outage. */
    async find(kid: string): Promise<KeyLookup<Alg>> {
      const askedAt = clock();
      let tried = false;
      for (;;) {
        const key = held?.keys.get(kid);
        if (key !== undefined && age() <= KEY_SET.freshMs) return key;
        // A set that was fetched after this request began (with a coarse clock: at the same moment) and lacks the kid
        // proves that the key does not exist.
        if (key === undefined && held !== undefined && held.at >= askedAt) return 'unknown';

        const why = age() > KEY_SET.freshMs ? 'refresh' : 'unknown';
        const readyAt = lastTry[why] + cooldownMs;
        const waited = clock() - askedAt;
        // A cooldown that ends within the wait is waited out, however late a busy isolate notices its end.
        const waitedOut = readyAt > askedAt && readyAt - askedAt <= KEY_SET.waitMs;
        const inTime = waitedOut || waited <= KEY_SET.waitMs;
        if (isRunning()) {
          // Another request refreshes the set. Until then a slightly old set is good enough.
          if (key !== undefined && age() <= 2 * KEY_SET.freshMs) return key;
          if (waited >= KEY_SET.timeoutMs + KEY_SET.waitMs) return lookupOf(key);
        } else if (!tried && inTime && clock() >= readyAt) {
          tried = true;
          await load(why);
          continue;
        } else if (key !== undefined || waited >= KEY_SET.waitMs) {
          return lookupOf(key);
        }
        await ports.sleep(WAIT_STEP_MS);
      }
    },
  };

  /** The answer while the endpoint cannot be asked: a stale key up to the cap. */
  function lookupOf(key: SetKey<Alg> | undefined): KeyLookup<Alg> {
    return key !== undefined && age() <= KEY_SET.staleMs ? key : 'unavailable';
  }
}

/**
 * A clock that goes on by `jumpMs` where the other one is put back: otherwise a set would be fresh and a cooldown would
 * last for as long as the step was. As much as a cooldown, since one may have passed meanwhile.
 */
function neverBack(clock: () => number, jumpMs: number): () => number {
  let latest = Number.NEGATIVE_INFINITY;
  let lost = 0;
  return () => {
    const at = clock();
    if (at + lost < latest) lost = latest + jumpMs - at;
    latest = at + lost;
    return latest;
  };
}

/** One bounded GET. Any failure is `undefined`: a failed fetch proves nothing about the keys of the issuer. */
async function fetchDocument(fetchSet: RemoteKeysPorts['fetchSet']): Promise<Uint8Array | undefined> {
  const signal = AbortSignal.timeout(KEY_SET.timeoutMs);
  try {
    return await Promise.race([readDocument(fetchSet, signal), givenUp(signal)]);
  } catch {
    // The endpoint is foreign: any exception of it or of the network means that there is no set this time.
    return undefined;
  }
}

async function readDocument(
  fetchSet: RemoteKeysPorts['fetchSet'],
  signal: AbortSignal,
): Promise<Uint8Array | undefined> {
  const response = await fetchSet(signal);
  if (response.status === 200) return readBounded(response, KEY_SET.maxBytes);
  // An unread body would hold its connection.
  await response.body?.cancel();
  return undefined;
}

/** Rejects when the time is up, for a fetch that does not look at its signal. */
const givenUp = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
