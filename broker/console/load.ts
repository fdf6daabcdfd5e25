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
 * Calls `load` when `question` or `version` changes, and again `everyMs` after each answer while the page is visible,
 * until an answer `isFinal`. After a refusal with `Retry-After` it waits that long, unless `reload` is called. Without a
 * question it loads nothing.
 */
export function useLoaded<T>(
  question: string | undefined,
  load: (signal: AbortSignal) => Promise<Outcome<T>>,
  everyMs?: number,
  version?: number,
  isFinal?: (value: T) => boolean,
): Loaded<T> {
  const [turn, setTurn] = useState(0);
  const [held, setHeld] = useState<{ question: string | undefined } & Omit<Loaded<T>, 'reload'>>({
    question,
    ...NOTHING,
  });
  const newest = useRef(load);
  newest.current = load;
  const ends = useRef(isFinal);
  ends.current = isFinal;

  useEffect(() => {
    if (question === undefined) return;
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let isAsking = false;
    let isOver = false;
    /** Of the page's own clock, in ms. */
    let notBefore = 0;
    const run = async (): Promise<void> => {
      if (isAsking) return;
      clearTimeout(timer);
      isAsking = true;
      const at = Date.now();
      const outcome = await newest
        .current(stop.signal)
        .catch((error: unknown) => {
          if (stop.signal.aborted) return undefined;
          throw error;
        })
        .finally(() => {
          isAsking = false;
        });
      if (outcome === undefined || stop.signal.aborted) return;
      setHeld((before) => ({
        question,
        ...(outcome.ok
          ? { value: outcome.value, failure: undefined, at }
          : { ...(before.question === question ? before : NOTHING), failure: outcome.failure }),
      }));
      isOver = outcome.ok && ends.current?.(outcome.value) === true;
      const waitMs = outcome.ok ? 0 : (outcome.failure.retryAfter ?? 0) * 1000;
      notBefore = performance.now() + waitMs;
      if (everyMs !== undefined && !isOver) timer = setTimeout(askAgain, Math.max(everyMs, waitMs));
    };
    const askIfSeen = (): void => {
      if (!document.hidden && !isOver && performance.now() >= notBefore) void run();
    };
    const askAgain = (): void => {
      // A timer may be a moment early.
      notBefore = 0;
      askIfSeen();
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
