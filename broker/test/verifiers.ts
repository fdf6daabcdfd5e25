import { createRemoteKeys } from '@agent-ticket/shared/remote-keys.ts';

/** Agent workers as far as keys go: caches of the published set, on a clock that the test moves. */

interface VerifierOptions {
  /** Asks for a key only this often, in s; between its questions its cache grows old. */
  readonly every: number;
  /** A cache on the way holds the set this long, in s. */
  readonly edge?: number;
  /** Moments at which the key endpoint does not answer, in ms. */
  readonly isDown?: (now: number) => boolean;
  readonly cooldownMs?: number;
}

export interface Verifier {
  readonly every: number;
  /** Whether a ticket of this key would be let in, asked at `now` in ms; else why not. */
  ask(kid: string, now: number): Promise<'taken' | 'unknown' | 'unavailable'>;
}

export function startVerifier(
  publish: (now: number) => Promise<Response>,
  { every, edge = 0, isDown = () => false, cooldownMs }: VerifierOptions,
): Verifier {
  let now = 0;
  let kept: { readonly text: string; readonly at: number } | undefined;

  async function fetchSet(): Promise<Response> {
    if (isDown(now)) throw new TypeError('nothing answers');
    if (kept === undefined || now - kept.at >= edge * 1000)
      kept = { text: await (await publish(now)).text(), at: now };
    return new Response(kept.text);
  }
  const keys = createRemoteKeys(
    {
      fetchSet,
      clock: () => now,
      // Waiting moves this verifier's own clock; the next question sets it right.
      sleep: async (ms) => {
        now += ms;
      },
    },
    { algorithms: ['ES256', 'Ed25519'], ...(cooldownMs === undefined ? {} : { cooldownMs }) },
  );
  return {
    every,
    async ask(kid, at) {
      now = at;
      const found = await keys.find(kid);
      return typeof found === 'string' ? found : 'taken';
    },
  };
}
