import type { Transport } from '@agent-ticket/shared/names.ts';
import { TicketRefused, TicketUnavailable } from './errors.ts';
import type { MintSchedule } from './mint-schedule.ts';
import { type ClientPorts, untilVisible } from './ports.ts';
import type { TicketAnswer, TicketResult } from './request-ticket.ts';

interface MintQueuePorts extends Pick<ClientPorts, 'after' | 'page'> {
  readonly request: (transport: Transport) => Promise<TicketResult>;
  readonly schedule: MintSchedule;
}

interface Waiter {
  readonly transport: Transport;
  readonly since: number;
  readonly resolve: (answer: TicketAnswer) => void;
  readonly reject: (error: Error) => void;
}

/** A caller that waited this long is rejected. A socket that must still open calls again. */
const CALLER_TIMEOUT_MS = 60_000;
/** The longest wait before the schedule is consulted again. */
const RECHECK_MS = 1_000;
/** Call this when the network returned, or the page became visible. */
const RECOVERY = ['online', 'visibilitychange'];

/**
 * Runs one mint at a time. Each ticket goes to one caller, the newest caller first: during an outage an older caller may have
 * gone, and nothing reports that. Rejects with {@link TicketRefused} or {@link TicketUnavailable}.
 */
export function createMintQueue(ports: MintQueuePorts): (transport: Transport) => Promise<TicketAnswer> {
  const { request, schedule, page } = ports;
  let waiting: Waiter[] = [];

  function complete(result: TicketResult, waiter: Waiter): void {
    if (result instanceof TicketUnavailable) {
      schedule.failed(result.retryAfterMs);
      if (schedule.clock() - waiter.since < CALLER_TIMEOUT_MS) return;
      waiter.reject(result);
    } else if (result instanceof TicketRefused) {
      for (const { reject } of waiting.splice(0)) reject(result);
    } else waiter.resolve(result);
    waiting = waiting.filter((each) => each !== waiter);
  }

  async function serve(): Promise<void> {
    for (let next = waiting.at(-1); next; next = waiting.at(-1)) {
      const wait = schedule.wait(page.navigator?.onLine === false || page.document?.hidden === true);
      if (wait > 0) {
        if (await untilVisible(ports, RECOVERY, Math.min(wait, RECHECK_MS))) schedule.retryNow();
      } else {
        schedule.started(next.transport === 'websocket');
        complete(await request(next.transport), next);
      }
    }
  }

  return (transport) =>
    new Promise((resolve, reject) => {
      // A waiter stays in the list while it is served.
      if (waiting.push({ transport, since: schedule.clock(), resolve, reject }) === 1) void serve();
    });
}
