import { describe, expect, inject, it } from 'vitest';
import { type AppTab, openApp } from './app-tab.ts';
import { openTab } from './tab.ts';

/** The principal of a hook by the agent's answer. */
const whoami = (tab: AppTab, name: string): Promise<string> =>
  tab.page.evaluate(async (name) => (await window.app.whoami(name)).principal, name);

const refusal = (tab: AppTab, name: string) =>
  tab.page.evaluate((name) => {
    const found = window.app.ticket(name).refusal;
    return found && { name: found.name, status: found.status, code: found.code, signInUrl: found.signInUrl };
  }, name);

const session = { kind: 'session' } as const;
const NOT_SIGNED_IN = /401 \(Unauthorized\)/;

describe.each(['subprotocol', 'query'] as const)('by %s', (delivery) => {
  it('an anonymous person is sent to the sign-in, and returns to the same page signed in', async () => {
    const tab = await openApp({ expects: [NOT_SIGNED_IN] });
    const plan = { name: 'mine', instance: `to-sign-in-${delivery}`, delivery, credential: session };
    await tab.provide(plan);
    await tab.show(['mine']);
    await tab.until('mine', 'ended 4001 unauthorized');
    expect([tab.broker.mints.length, tab.agents.upgrades.length]).toEqual([1, 0]);
    const required = await refusal(tab, 'mine');
    expect(required).toMatchObject({ name: 'SignInRequired', status: 401, code: 'UNAUTHORIZED' });

    const back = tab.page.url();
    await tab.page.goto(required?.signInUrl ?? '');
    await tab.page.getByRole('button', { name: /^Alice/ }).click();
    await tab.page.waitForURL(back);
    await tab.provide(plan);
    await tab.show(['mine']);
    await tab.until('mine', 'open');
    expect(await whoami(tab, 'mine')).toContain('alice');
  });

  it('after a sign-out the next person is never the one before', async () => {
    const tab = await openApp({ expects: [NOT_SIGNED_IN] });
    await tab.signIn('auth0|leaver');
    const instance = `next-person-${delivery}`;
    await tab.provide({ name: 'mine', instance, delivery, credential: session });
    await tab.show(['mine']);
    await tab.until('mine', 'open');
    expect(await whoami(tab, 'mine')).toContain('leaver');

    // In another window of the same browser, so that this page remains.
    const other = await openTab(inject('stack').agentWorker, { beside: tab });
    await other.signOut();
    await tab.until('mine', 'ended 4003 forbidden');
    await other.signIn('auth0|next');
    await tab.page.evaluate(() => window.app.ticket('mine').reset());
    await tab.until('mine', 'open');
    expect(await whoami(tab, 'mine')).toContain('next');

    // A component that mounts again, before any cache expires.
    await tab.provide({ name: 'again', instance, delivery, credential: session });
    await tab.show(['again']);
    await tab.until('again', 'open');
    expect(await whoami(tab, 'again')).toContain('next');
    expect(tab.broker.mints).toHaveLength(3);
  });
});

it('a sign-out without another sign-in closes every connection', async () => {
  const tab = await openApp({ expects: [NOT_SIGNED_IN] });
  await tab.signIn('auth0|leaver');
  await tab.provide({ name: 'mine', instance: 'left', credential: session });
  await tab.show(['mine']);
  await tab.until('mine', 'open');
  const other = await openTab(inject('stack').agentWorker, { beside: tab });
  await other.signOut();
  await tab.until('mine', 'ended 4003 forbidden');
  await tab.page.evaluate(() => window.app.ticket('mine').reset());
  await tab.until('mine', 'ended 4001 unauthorized');
  expect(await refusal(tab, 'mine')).toMatchObject({ name: 'SignInRequired' });
});

it('a page on another site than the broker has no session there, and must sign in', async () => {
  const tab = await openApp({ expects: [NOT_SIGNED_IN] });
  await tab.signIn('auth0|leaver');
  await tab.page.goto(tab.page.url().replace('127.0.0.1', 'localhost'));
  await tab.provide({ name: 'foreign', instance: 'foreign-site', credential: session });
  await tab.show(['foreign']);
  await tab.until('foreign', 'ended 4001 unauthorized');
  expect(await refusal(tab, 'foreign')).toMatchObject({ name: 'SignInRequired' });
});
