import { logFailure } from './ask-agent.ts';

/** How a stream came to its end by itself. */
export type StreamEnd = 'finished' | 'client_closed' | 'agent_failed';

export interface Streams {
  has(sessionId: string): boolean;
  /** Breaks a stream off, on both sides. Whether there was one. */
  cut(sessionId: string): boolean;
  /** What the client gets of a body, until either side ends it or {@link cut} does. */
  carry(
    sessionId: string,
    body: ReadableStream<Uint8Array>,
    onEnd: (how: StreamEnd) => void,
  ): ReadableStream<Uint8Array>;
}

/**
 * The streaming answers of one object that are under way. Kept in memory: they live in this life of the object and
 * die with it, unlike sockets. A stream that is cut breaks off rather than ends, so that no client takes what it got
 * for the whole.
 */
export function createStreams(): Streams {
  const live = new Map<string, () => void>();
  return {
    has: (id) => live.has(id),

    cut(id) {
      const cut = live.get(id);
      live.delete(id);
      cut?.();
      return cut !== undefined;
    },

    carry(id, body, onEnd) {
      const source = body.getReader();
      const over = (how: StreamEnd): void => {
        if (live.delete(id)) onEnd(how);
      };
      return new ReadableStream<Uint8Array>({
        start(controller) {
          live.set(id, () => {
            controller.error(new Error('the session is over'));
            source.cancel().catch(logFailure);
          });
        },
        async pull(controller) {
          try {
            const { done, value } = await source.read();
            if (!live.has(id)) return;
            if (!done) return controller.enqueue(value);
            over('finished');
            controller.close();
          } catch (error) {
            // The agent's stream broke: so does ours. Its words may hold anything.
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
