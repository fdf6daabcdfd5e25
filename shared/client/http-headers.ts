import { MAX_TIMER_MS } from './ports.ts';
import type { TicketAnswer } from './ticket-answer.ts';

/** A ticket this close to its end may be over when it arrives. */
const MARGIN_MS = 10_000;

/**
 * `Authorization` for plain HTTP. Such a ticket opens no socket and is good for more than one request, so it is kept
 * for its life, counted from before it was asked for.
 */
export function createHttpHeaders(
  mint: () => Promise<TicketAnswer>,
  clock: () => number,
): { headers(): Promise<Record<string, string>>; forget(): void } {
  let kept: Promise<TicketAnswer> | undefined;
  let until = 0;
  const forget = (): void => {
    until = 0;
  };

  function renew(): Promise<TicketAnswer> {
    const since = clock();
    // Others who ask meanwhile wait for the same answer.
    until = since + MAX_TIMER_MS;
    return mint()
      .finally(forget)
      .then((answer) => {
        until = since + answer.expiresIn * 1000 - MARGIN_MS;
        return answer;
      });
  }

  return {
    async headers() {
      if (kept === undefined || clock() >= until) kept = renew();
      return { authorization: `Bearer ${(await kept).ticket}` };
    },
    forget,
  };
}
