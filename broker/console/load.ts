import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import type { Failure, Outcome } from './api.ts';

/** The state of a call that a view shows. */
export interface Loaded<T> {
  /** The newest answer to the present question. */
  readonly value: T | undefined;
  /** Why the newest question has no answer; an older answer may be there beside it. */
  readonly failure: Failure | undefined;
  /** When `value` was asked for, in ms since 1970. */
  readonly at: number | undefined;
  readonly reload: () => void;
}

const NOTHING = { value: undefined, failure: undefined, at: undefined };

/**
 * Calls `load` when `question` or `version` changes, and again `everyMs` after each answer while the page is visible.
 * After a refusal with `Retry-After` it waits that long.
 */
export function useLoaded<T>(
  question: string,
  load: (signal: AbortSignal) => Promise<Outcome<T>>,
  everyMs?: number,
  version?: number,
): Loaded<T> {
  const [turn, setTurn] = useState(0);
  const [held, setHeld] = useState<{ question: string } & Omit<Loaded<T>, 'reload'>>({
    question,
    ...NOTHING,
  });
  const newest = useRef(load);
  newest.current = load;

  useEffect(() => {
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let isAsking = false;
    const run = async (): Promise<void> => {
      if (isAsking) return;
      clearTimeout(timer);
      isAsking = true;
      const at = Date.now();
      const outcome = await newest.current(stop.signal).catch((error: unknown) => {
        if (stop.signal.aborted) return undefined;
        throw error;
      });
      isAsking = false;
      if (outcome === undefined || stop.signal.aborted) return;
      setHeld((before) => ({
        question,
        ...(outcome.ok
          ? { value: outcome.value, failure: undefined, at }
          : { ...(before.question === question ? before : NOTHING), failure: outcome.failure }),
      }));
      if (everyMs === undefined) return;
      const waitMs = outcome.ok ? 0 : (outcome.failure.retryAfter ?? 0) * 1000;
      timer = setTimeout(askIfSeen, Math.max(everyMs, waitMs));
    };
    const askIfSeen = (): void => {
      if (!document.hidden) void run();
    };
    void run();
    addEventListener('online', askIfSeen);
    if (everyMs !== undefined) document.addEventListener('visibilitychange', askIfSeen);
    return () => {
      stop.abort();
      clearTimeout(timer);
      removeEventListener('online', askIfSeen);
      document.removeEventListener('visibilitychange', askIfSeen);
    };
  }, [question, everyMs, turn, version]);

  const reload = useCallback(() => setTurn((before) => before + 1), []);
  return { ...(held.question === question ? held : NOTHING), reload };
}
