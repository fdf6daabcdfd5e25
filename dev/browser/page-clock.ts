import type { BrowserContext, Page } from 'playwright-core';

/** The step by which time advances before due timers run. */
const STEP_MS = 500;

declare global {
  interface Window {
    /** Resolves when no request and no handshake of the page is pending. */
    quiet(): Promise<void>;
  }
}

/**
 * Stops the clock of all pages to come at `now`: their timers run only in {@link pass}. Network and servers run in
 * their own time.
 */
export async function stopClock(context: BrowserContext, now: number): Promise<void> {
  await context.clock.install({ time: now - 1_000 });
  await context.clock.pauseAt(now);
  await context.addInitScript(watchNetwork);
}

/** Advances the time of the page in steps, and waits for its requests after each. */
export async function pass(page: Page, ms: number, step = STEP_MS): Promise<void> {
  await page.evaluate(() => window.quiet());
  for (let left = ms; left > 0; left -= step) {
    await page.clock.runFor(Math.min(left, step));
    await page.evaluate(() => window.quiet());
  }
}

/** Runs in the page before its own scripts. Counts requests until their answer is read, and sockets until their first frame. */
function watchNetwork(): void {
  let busy = 0;
  const begin = (): (() => void) => {
    let ended = false;
    busy += 1;
    return () => {
      if (!ended) busy -= 1;
      ended = true;
    };
  };

  const realFetch = window.fetch;
  window.fetch = async (input, init) => {
    const end = begin();
    try {
      const answer = await realFetch(input, init);
      await answer.clone().arrayBuffer();
      return answer;
    } finally {
      end();
    }
  };

  window.WebSocket = class extends WebSocket {
    constructor(url: string | URL, protocols?: string | string[]) {
      super(url, protocols);
      const end = begin();
      for (const type of ['message', 'close']) this.addEventListener(type, end);
    }
  };

  // Tasks of a channel are no timers, so they run while the clock is stopped.
  const turn = (): Promise<void> =>
    new Promise((resolve) => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => resolve();
      port2.postMessage(undefined);
    });
  window.quiet = async () => {
    for (let turns = 0; turns < 10; turns += 1) {
      if (busy > 0) turns = 0;
      await turn();
    }
  };
}
