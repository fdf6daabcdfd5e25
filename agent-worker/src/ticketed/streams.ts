import { logFailure } from './sdk.ts';

/**
 * A line that every reader of an event stream skips (WHATWG HTML §9.2.6). Writing it is the only way to find that a
 * client left without a close: until then the runtime does not see that the other end is gone.
 */
const COMMENT = new TextEncoder().encode(':\n');
/** How often a comment is written into a silent stream; the second after its client left ends it. */
const QUIET_MS = 15_000;
const LINE_FEED = 10;

/** How a stream came to its end by itself. */
export type StreamEnd = 'finished' | 'client_closed' | 'agent_failed';

export interface Streams {
  has(sessionId: string): boolean;
  /** Breaks a stream off, on both sides. Whether there was one. */
  cut(sessionId: string): boolean;
  /**
   * What the client gets of a body, until either side ends it or {@link cut} does: its bytes, and a comment between
   * two lines where it is silent and `takesComments`: neither compressed nor of a declared length.
   */
  carry(
    sessionId: string,
    body: ReadableStream<Uint8Array>,
    takesComments: boolean,
    onEnd: (how: StreamEnd) => void,
  ): ReadableStream<Uint8Array>;
}

/** Repeats `work` every so many ms until the returned function is called. */
export type Repeat = (everyMs: number, work: () => void) => () => void;

/** Runs `work` once, after `ms`, unless the returned function is called before. */
export const later = (ms: number, work: () => void): (() => void) => {
  const timer = setTimeout(work, ms);
  return () => clearTimeout(timer);
};

export const repeat: Repeat = (everyMs, work) => {
  const timer = setInterval(work, everyMs);
  return () => clearInterval(timer);
};

/**
 * The streaming answers of one object that are under way. Kept in memory: they live in this life of the object and
 * die with it, unlike sockets. A stream that is cut breaks off rather than ends, so that no client takes what it got
 * for the whole.
 */
export function createStreams(repeat: Repeat): Streams {
  const live = new Map<string, () => void>();
  return {
    has: (id) => live.has(id),

    cut(id) {
      const cut = live.get(id);
      live.delete(id);
      cut?.();
      return cut !== undefined;
    },

    carry(id, body, takesComments, onEnd) {
      const source = body.getReader();
      let isQuiet = true;
      let isBetweenLines = true;
      let stopComments = (): void => {};
      const over = (how: StreamEnd): void => {
        stopComments();
        if (live.delete(id)) onEnd(how);
      };
      return new ReadableStream<Uint8Array>({
        start(controller) {
          live.set(id, () => {
            stopComments();
            controller.error(new Error('the session is over'));
            source.cancel().catch(logFailure);
          });
          if (!takesComments) return;
          stopComments = repeat(QUIET_MS, () => {
            if (isQuiet && isBetweenLines && (controller.desiredSize ?? 0) > 0) controller.enqueue(COMMENT);
            isQuiet = true;
          });
        },
        async pull(controller) {
          try {
            const { done, value } = await source.read();
            if (!live.has(id)) return;
            if (!done) {
              isQuiet = false;
              isBetweenLines = value.at(-1) === LINE_FEED;
              return controller.enqueue(value);
            }
            over('finished');
            controller.close();
          } catch (error) {
            // The agent's stream broke, so ours does. Its message may quote anything.
            if (live.has(id)) logFailure(error);
            over('agent_failed');
            throw new Error('the stream failed');
          }
        },
        cancel(reason) {
          over('client_closed');
          return source.cancel(reason);
        },
      });
    },
  };
}
