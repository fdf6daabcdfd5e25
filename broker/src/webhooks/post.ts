import { isOutage } from '@agent-ticket/drizzle/outage.ts';

/** A request to a receiver. */
export interface Message {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/**
 * The answer of a receiver, of which nothing but the status is kept, or the reason for which there is none.
 * `address_refused`: its name leads to an address that is not public, and no connection was made.
 */
export type PostResult =
  | { readonly status: number }
  | { readonly fault: 'timeout' | 'unreachable' | 'address_refused' };

/** Sends one message by POST. Follows no redirect, which counts as an answer. Rejects only for a bug. */
export type Post = (url: string, message: Message) => Promise<PostResult>;

/** How long a receiver has to answer, in ms. It should acknowledge first, and work afterwards. */
export const POST_TIMEOUT_MS = 5_000;

/** {@link Post} by the platform's fetch, whose network decides which addresses can be reached. */
export const postByFetch =
  (fetch: (url: string, init: RequestInit) => Promise<Response>, timeoutMs = POST_TIMEOUT_MS): Post =>
  async (url, message) => {
    try {
      const init = { method: 'POST', redirect: 'manual', ...message } as const;
      const answer = await fetch(url, { ...init, signal: AbortSignal.timeout(timeoutMs) });
      await answer.body?.cancel();
      return { status: answer.status };
    } catch (error) {
      if (error instanceof DOMException && error.name === 'TimeoutError') return { fault: 'timeout' };
      if (error instanceof TypeError || isOutage(error)) return { fault: 'unreachable' };
      throw error;
    }
  };
