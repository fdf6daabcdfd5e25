import type { Asked, Use } from './ask-broker.ts';
import { TicketRefused, TicketUnavailable } from './errors.ts';
import type { Pace } from './pace.ts';
import type { ClientPorts } from './ports.ts';
import type { TicketAnswer } from './ticket-answer.ts';
import { RECOVERY, untilSeen } from './until-seen.ts';

export interface MintQueuePorts extends Pick<ClientPorts, 'after' | 'page'> {
  readonly ask: (use: Use) => Promise<Asked>;
  readonly pace: Pace;
  readonly clock: () => number;
}

interface Waiter {
  readonly use: Use;
  readonly since: number;
  readonly resolve: (answer: TicketAnswer) => void;
  readonly reject: (error: Error) => void;
}

/** Who failed this long is told so; a socket that still wants to open asks again. */
const PATIENCE_MS = 60_000;
/** How long to sleep before looking around again. */
const NAP_MS = 1_000;

/**
 * One mint at a time; each ticket goes to one caller, the newest first: of those who wait through an outage the
 * older ones may have left, which nobody tells us. Rejects with {@link TicketRefused} or {@link TicketUnavailable}.
 */
export function createMintQueue(ports: MintQueuePorts): (use: Use) => Promise<TicketAnswer> {
  const { ask, pace, page, clock } = ports;
  let waiting: Waiter[] = [];

  function settle(asked: Asked, asker: Waiter): void {
    if (asked instanceof TicketUnavailable) {
      pace.failed(asked.retryAfterMs);
      if (clock() - asker.since < PATIENCE_MS) return;
      asker.reject(asked);
    } else if (asked instanceof TicketRefused) {
      for (const { reject } of waiting.splice(0)) reject(asked);
    } else asker.resolve(asked);
    waiting = waiting.filter((each) => each !== asker);
  }

  async function serve(): Promise<void> {
    for (let next = waiting.at(-1); next !== undefined; next = waiting.at(-1)) {
      const wait = pace.wait(page.navigator?.onLine === false || page.document?.hidden === true);
      if (wait > 0) {
        // Back: then there is no reason to wait any longer.
        if (await untilSeen(ports, RECOVERY, Math.min(wait, NAP_MS))) pace.hurry();
      } else {
        pace.started(next.use === 'websocket');
        settle(await ask(next.use), next);
      }
    }
  }

  return (use) =>
    new Promise((resolve, reject) => {
      // While it serves, whom it serves still waits.
      if (waiting.push({ use, since: clock(), resolve, reject }) === 1) void serve();
    });
}
