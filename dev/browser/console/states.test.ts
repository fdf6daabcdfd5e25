import { expect, inject, it } from 'vitest';
import { openHttpProxy } from '../../e2e/http-proxy.ts';
import { runScheduled } from '../../e2e/stack-queries.ts';
import { openTab } from '../tab.ts';
import { consoleUrl, openConsole } from './open-console.ts';

/** The console in place of a view that cannot be loaded. */

it('a broker that does not answer is reported, the last rows stay, and the list recovers by itself', async () => {
  const proxy = await openHttpProxy(inject('stack').broker);
  const tab = await openConsole('Olga', 'sessions', { expects: [/ERR_CONNECTION/] });
  const { page } = tab;
  await page.goto(consoleUrl('sessions').replace(inject('stack').broker, proxy.url));
  await page.getByText('Live, as of').waitFor();
  await proxy.stop();
  await page.getByText('The broker cannot be reached').waitFor();
  await page.getByText(/The rows below are as of .* and may have changed/).waitFor();
  await tab.screenshot('console-away');
  await proxy.start();
  await page.getByText('The broker cannot be reached').waitFor({ state: 'detached' });
});

it('an offline computer is reported, and the page tries again when the computer is online', async () => {
  const { page, context } = await openConsole('Olga', 'locks', { expects: [/ERR_INTERNET_DISCONNECTED/] });
  await page.getByText('Nothing is locked.').waitFor();
  await context.setOffline(true);
  await page.getByText('This computer is offline').first().waitFor();
  await page.getByRole('link', { name: 'Keys' }).click();
  await page.getByText('The broker cannot be reached').waitFor();
  await context.setOffline(false);
  await page.getByRole('row').nth(1).waitFor();
});

it('a sign-in that ended elsewhere leads to the sign-in, and back to the view', async () => {
  const tab = await openConsole('Otto', 'sessions', { expects: [/401/] });
  const other = await openTab(inject('stack').agentWorker, { beside: tab });
  await other.signOut();
  await tab.page.getByRole('link', { name: 'Sign in' }).click();
  await tab.page.getByRole('button', { name: /^Otto\b/ }).click();
  await tab.page.getByText('Live, as of').waitFor();
});

it('a request over the limit is reported, with the time to wait', async () => {
  const tab = await openTab(consoleUrl('overview'), { expects: [/429/] });
  await tab.signIn('auth0|console-limited');
  const { page } = tab;
  await page.evaluate(async () => {
    for (let call = 0; call < 60; call += 1) await fetch('me');
  });
  await page.getByRole('link', { name: 'Explain' }).click();
  await page.getByLabel('Agent').fill('counter');
  await page.getByRole('button', { name: 'Explain' }).click();
  await page.getByText(/Wait \d+ seconds?\./).waitFor();
});

it('a refusal that says how long to wait is not asked again before, also when the page is seen again', async () => {
  const { page } = await openConsole('Otto', 'locks', { expects: [/429/] });
  let asked = 0;
  await page.route('**/readyz', async (route) => {
    asked += 1;
    await route.fulfill({ status: 429, headers: { 'retry-after': '60' }, json: {} });
  });
  await page.getByRole('link', { name: 'Overview' }).click();
  await page.getByText('Wait 60 seconds.').waitFor();
  await page.evaluate(() => {
    dispatchEvent(new Event('online'));
    document.dispatchEvent(new Event('visibilitychange'));
  });
  // What the page asked for before this was asked for.
  await page.evaluate(() => fetch('healthz'));
  expect(asked).toBe(1);
});

it('a seal of unknown age is not said to be good, and a seal that cannot be asked for has its reason', async () => {
  await runScheduled();
  const { page } = await openConsole('Otto', 'locks', { expects: [/503/] });
  await page.route('**/readyz', (route) => route.fulfill({ status: 503, json: { checkpoint_age: null } }));
  await page.getByRole('link', { name: 'Audit log' }).click();
  await page.getByText(/^Sealed through event .* is not known now/).waitFor();
  await page.getByRole('link', { name: 'Locks' }).click();
  await page.route('**/checkpoints?*', (route) => route.fulfill({ status: 503, json: {} }));
  await page.getByRole('link', { name: 'Audit log' }).click();
  await page.getByText('The broker cannot answer at the moment').waitFor();
});

it('a verification after the end of a sign-in of Access says that the sign-in has ended', async () => {
  const { page } = await openConsole('Otto', 'audit');
  const signIn = { status: 302, headers: { location: inject('stack').identityProvider } };
  await page.route('**/audit/export', (route) => route.fulfill(signIn));
  await page.getByText('Export and verify the whole log').click();
  await page.getByRole('button', { name: 'Verify' }).click();
  await page.getByText('Your sign-in has ended').waitFor();
});

it.each([crypto.randomUUID(), '..', ''])('a missing session is reported: %s', async (id) => {
  const { page } = await openConsole('Olga', `session?id=${id}`, { expects: [/404/] });
  await page.getByText('There is no such thing').waitFor();
});

it('no page frames the console, not even one of its own origin', async () => {
  const { page } = await openTab(inject('stack').agentWorker, { expects: [/frame/i] });
  const framed = await page.evaluate(async (url) => {
    const frame = document.createElement('iframe');
    frame.src = url;
    document.body.append(frame);
    await new Promise((resolve) => frame.addEventListener('load', resolve));
    // The page of an error has another origin; a document that was let in would have another title.
    return frame.contentDocument?.title ?? 'refused';
  }, consoleUrl());
  expect(framed).toBe('refused');
});

it('every action is possible with the keyboard alone', async () => {
  const { page } = await openConsole('Olga', 'locks?kind=instance&name=counter%2Fconsole-keyboard');
  await page.getByRole('button', { name: 'Lock …' }).waitFor();
  await page.locator('body').focus();
  await page.keyboard.press('Tab');
  expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Skip to the content');
  await page.keyboard.press('Enter');
  for (let steps = 0; steps < 12; steps += 1) {
    await page.keyboard.press('Tab');
    if ((await page.evaluate(() => document.activeElement?.textContent)) === 'Lock …') break;
  }
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog');
  await dialog.waitFor();
  await page.keyboard.type('an exercise');
  expect(await dialog.getByLabel('Reason').inputValue()).toBe('an exercise');
  await page.keyboard.press('Enter');
  await dialog.getByRole('status').waitFor();
  await page.keyboard.press('Escape');
  await page.getByText('counter / console-keyboard').first().waitFor();
  const outline = await page.evaluate(() => document.activeElement?.tagName);
  expect(outline).toBe('MAIN');
});

it('filters of a link that the list does not have are named, do not apply, and can be cleared', async () => {
  const { page } = await openConsole(
    'Otto',
    'sessions?active=any&cursor=abc&limit=1&when=never&agent=counter',
  );
  await page
    .getByText('The list has no such filter, or not that value: active, cursor, limit, when.')
    .waitFor();
  await page.getByText('Filter: counter').waitFor();
  await page.getByText('Live, as of').waitFor();
  await page.getByRole('button', { name: 'Clear filters' }).click();
  await page.getByText('The list has no such filter').waitFor({ state: 'detached' });
  expect(new URL(page.url()).hash).toBe('#sessions');
});

it('an operator whom a lock names is told so, and keeps no button that would be refused', async () => {
  const { page } = await openConsole('Olga', 'sessions');
  await page.route('**/me?*', async (route) => {
    const answer = await route.fetch();
    await route.fulfill({ response: answer, json: { ...(await answer.json()), locked: true } });
  });
  await page.reload();
  await page.getByText('a lock names you or your credential').waitFor();
  expect(await page.getByRole('main').getByRole('button').count()).toBe(0);
});

it('the sessions that a lock would end are counted again at each question', async () => {
  const { page } = await openConsole('Otto', 'locks');
  await page.route('**/me?*', async (route) => {
    const answer = await route.fetch();
    const me = await answer.json();
    await route.fulfill({
      response: answer,
      json: { ...me, permissions: [...me.permissions, 'locks:write'] },
    });
  });
  await page.reload();
  await page.getByText('Lock something').click();
  await page.getByLabel('Target').selectOption('agent');
  await page.getByLabel('Name').fill('counter');
  const ask = page.getByRole('button', { name: 'Show the sessions it would end' });
  for (let question = 0; question < 2; question += 1) {
    const counted = page.waitForResponse('**/admin/agents/sessions?**');
    await ask.click();
    await counted;
    await page.getByText(/That is now .* As of \d\d:\d\d:\d\d\./).waitFor();
  }
});
