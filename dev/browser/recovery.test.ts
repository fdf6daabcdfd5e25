import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { describe, expect, it } from 'vitest';
import { restartWorkers } from '../e2e/stack-queries.ts';
import { type AppTab, openApp } from './app-tab.ts';

/**
 * A connected tab loses a dependency, and reconnects by itself: open within 15 s of the page's time after
 * the recovery, with at most five mints in any minute of it, whatever went wrong.
 */

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
/** For times in which it does not matter when exactly something happens. */
const STRIDE = 2 * SECOND;
const MOST_MINTS = 5;

/** Console errors of Chromium while a server or the network is down. */
const AWAY = [/net::ERR_/, /WebSocket connection to .* failed/];

const DELIVERIES = ['subprotocol', 'query'] as const;

/** A tab with a stopped clock, and a hook that has been open for a minute. */
async function settledTab(instance: string, delivery: 'subprotocol' | 'query', now = Date.now()) {
  // People of their own: a sign-out of another test ends bearer tokens of its second, and limits are by person, those of
  // new instances in an hour among them.
  const tab = await openApp({ person: `auth0|rita-${delivery}`, now, expects: AWAY });
  await tab.provide({ name: 'one', instance: `${instance}-${delivery}`, delivery });
  await tab.show(['one']);
  await tab.pass(MINUTE, STRIDE);
  expect(await tab.lines()).toEqual({ one: 'open' });
  return { tab, count: mintsOf(tab) };
}

/** Mints since it was last asked. */
function mintsOf({ broker }: AppTab): () => number {
  let before = broker.mints.length;
  return () => {
    const since = broker.mints.length - before;
    before = broker.mints.length;
    return since;
  };
}

const session = (tab: AppTab): Promise<string> =>
  tab.page.evaluate(async () => (await window.app.whoami('one')).session);

/** Within 15 s, as another session, and then at rest: nothing more is minted for anybody. */
async function comesBack(tab: AppTab, before: string, count: () => number): Promise<void> {
  await tab.pass(15 * SECOND);
  expect(await tab.lines()).toEqual({ one: 'open' });
  expect(await session(tab)).not.toBe(before);
  expect(count()).toBeLessThanOrEqual(MOST_MINTS);
  await tab.pass(2 * MINUTE, STRIDE);
  expect(await tab.lines()).toEqual({ one: 'open' });
  expect(count()).toBe(0);
}

describe.each(DELIVERIES)('by %s', (delivery) => {
  it('the connection breaks', async () => {
    const { tab, count } = await settledTab('broken', delivery);
    const before = await session(tab);
    tab.agents.cut();
    await comesBack(tab, before, count);
  });

  it('the agent worker is down for a minute, as in a slow deploy', async () => {
    const { tab, count } = await settledTab('deploy', delivery);
    const before = await session(tab);
    await tab.agents.stop();
    await tab.pass(MINUTE, STRIDE);
    expect(count()).toBeLessThanOrEqual(MOST_MINTS);
    await tab.agents.start();
    await comesBack(tab, before, count);
  });

  it('the broker is away when the connection breaks', async () => {
    const { tab, count } = await settledTab('no-broker', delivery);
    const before = await session(tab);
    await tab.broker.stop();
    tab.agents.cut();
    const upgrades = tab.agents.upgrades.length;
    await tab.pass(3 * MINUTE, STRIDE);
    // Without a ticket there is no upgrade, and none with a used ticket either.
    expect(tab.agents.upgrades.length - upgrades).toBe(0);
    await tab.broker.start();
    await comesBack(tab, before, count);
  });

  it('the broker restarts, and open connections remain', async () => {
    const { tab, count } = await settledTab('broker-restart', delivery);
    const before = await session(tab);
    await tab.broker.stop();
    await tab.pass(MINUTE, STRIDE);
    await tab.broker.start();
    await tab.pass(MINUTE, STRIDE);
    expect([await session(tab), count()]).toEqual([before, 0]);
  });

  it('both workers end and start again', async () => {
    const { tab, count } = await settledTab('restart', delivery);
    const before = await session(tab);
    await restartWorkers();
    await comesBack(tab, before, count);
  });

  it('the network fails and recovers', async () => {
    const { tab, count } = await settledTab('offline', delivery);
    const before = await session(tab);
    await tab.context.setOffline(true);
    await tab.pass(3 * MINUTE, STRIDE);
    await tab.context.setOffline(false);
    await comesBack(tab, before, count);
  });

  it('the network fails silently, and the browser reports its return', async () => {
    const { tab, count } = await settledTab('half-open', delivery);
    const before = await session(tab);
    tab.agents.mute();
    await tab.context.setOffline(true);
    await tab.context.setOffline(false);
    await comesBack(tab, before, count);
  });

  it('the network fails silently, and a heartbeat finds out', async () => {
    const { tab, count } = await settledTab('beating', delivery);
    const before = await session(tab);
    const pongs = await tab.page.evaluateHandle(() => {
      const agent = window.app.agent('one');
      const pongs: unknown[] = [];
      agent.addEventListener('message', ({ data }) => {
        if (String(data).includes('ticket.pong')) pongs.push(data);
      });
      Object.assign(window, { stopHeartbeat: window.app.attachHeartbeat(agent) });
      return pongs;
    });
    for (const answered of [1, 2, 3]) {
      await tab.pass(30 * SECOND, STRIDE);
      await eventually(async () => expect(await pongs.jsonValue()).toHaveLength(answered));
    }
    expect([await session(tab), count()]).toEqual([before, 0]);
    tab.agents.mute();
    await tab.pass(59 * SECOND, STRIDE);
    expect(tab.agents.upgrades).toHaveLength(1);
    await tab.pass(SECOND);
    // The hook may have another socket now; an app would attach the heartbeat to that socket.
    await tab.page.evaluate(() => Reflect.get(window, 'stopHeartbeat')());
    await comesBack(tab, before, count);
  });

  it('the laptop sleeps for a night', async () => {
    const { tab, count } = await settledTab('asleep', delivery);
    const before = await session(tab);
    tab.agents.cut();
    await tab.page.clock.fastForward(8 * 60 * MINUTE);
    await comesBack(tab, before, count);
  });

  it.each([
    ['ten minutes slow', -10 * MINUTE],
    ['ten minutes fast', 10 * MINUTE],
    ['a year fast', 365 * 24 * 60 * MINUTE],
  ])('a clock that is %s changes nothing', async (name, error) => {
    const { tab, count } = await settledTab(
      `clock-${name.replaceAll(' ', '-')}`,
      delivery,
      Date.now() + error,
    );
    expect(tab.broker.mints).toHaveLength(1);
    const before = await session(tab);
    tab.agents.cut();
    await comesBack(tab, before, count);
  });
});

it('a heartbeat ends a plain WebSocket whose network fails silently', async () => {
  const tab = await openApp({ person: 'auth0|rita-plain', now: Date.now(), expects: AWAY });
  await tab.provide({ name: 'one', instance: 'beating-plain' });
  const ends = await tab.page.evaluateHandle(async (proxy) => {
    const { url, protocols } = await window.app.ticket('one').mint();
    const socket = new WebSocket(new URL(new URL(url).pathname, proxy), protocols);
    window.app.attachHeartbeat(socket);
    await new Promise((resolve) => socket.addEventListener('message', resolve));
    const ends: string[] = [];
    socket.addEventListener('close', ({ reason }) => ends.push(reason));
    return ends;
  }, tab.agents.url);
  tab.agents.mute();
  await tab.pass(59 * SECOND, STRIDE);
  expect(await ends.jsonValue()).toEqual([]);
  await tab.pass(SECOND);
  expect(await ends.jsonValue()).toEqual(['timeout']);
  // The browser learns of the end as well.
  tab.agents.cut();
  await tab.pass(SECOND);
  expect(await ends.jsonValue()).toEqual(['timeout']);
});
