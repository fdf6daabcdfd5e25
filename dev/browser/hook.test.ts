import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { describe, expect, inject, it } from 'vitest';
import { sessionsOf } from '../e2e/stack-queries.ts';
import { all, openApp } from './app-tab.ts';

describe.each(['subprotocol', 'query'] as const)('by %s', (delivery) => {
  it('the hook connects, with one ticket', async () => {
    const tab = await openApp();
    await tab.provide({ name: 'one', instance: `one-${delivery}`, delivery });
    await tab.show(['one']);
    await tab.until('one', 'open');
    expect([tab.broker.mints.length, tab.agents.upgrades.length]).toEqual([1, 1]);
  });

  it('two hooks for one agent have a ticket and a session each', async () => {
    const tab = await openApp();
    const instance = `two-${delivery}`;
    await tab.provide({ name: 'left', instance, delivery }, { name: 'right', instance, delivery });
    await tab.show(['left', 'right']);
    await tab.until('left', 'open');
    await tab.until('right', 'open');
    expect([tab.broker.mints.length, tab.agents.upgrades.length]).toEqual([2, 2]);
    await eventually(async () => {
      const sessions = await sessionsOf('counter', instance);
      expect(new Set(sessions.map(({ jti }) => jti)).size).toBe(2);
    });
  });

  it('in StrictMode it opens one session', async () => {
    const tab = await openApp();
    await tab.provide({ name: 'strict', instance: `strict-${delivery}`, delivery });
    await tab.show(['strict'], true);
    await tab.until('strict', 'open');
    expect([tab.broker.mints.length, tab.agents.upgrades.length]).toEqual([1, 1]);
  });

  it('another host gets a ticket of its own', async () => {
    const tab = await openApp();
    const instance = `hosts-${delivery}`;
    const host = inject('stack').agentWorker;
    await tab.provide({ name: 'here', instance, delivery }, { name: 'there', instance, delivery, host });
    await tab.show(['here']);
    await tab.until('here', 'open');
    await tab.show(['there']);
    await tab.until('there', 'open');
    expect([tab.broker.mints.length, tab.agents.upgrades.length]).toEqual([2, 1]);
  });
});

it('time passes in the page as the test lets it', async () => {
  const tab = await openApp({ now: Date.now() });
  await tab.provide({ name: 'timed', instance: 'timed' });
  await tab.show(['timed']);
  await tab.pass(1_000);
  expect(await tab.lines()).toEqual(all(['timed'], 'open'));
});
