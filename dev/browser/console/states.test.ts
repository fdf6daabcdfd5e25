import { expect, inject, it } from 'vitest';
import { openHttpProxy } from '../../e2e/http-proxy.ts';
import { openTab } from '../tab.ts';
import { consoleUrl, openConsole } from './open-console.ts';

/** What the console shows when it cannot show what was asked for. */

it('a broker that does not answer is said to be away, what was seen is kept, and it returns by itself', async () => {
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

it('a computer that is offline says so, and asks again when it is back', async () => {
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

it('too many requests are said to be too many, with the time to wait', async () => {
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

it.each([crypto.randomUUID(), '..', ''])(
  'a session that is not there is said not to be there: %s',
  async (id) => {
    const { page } = await openConsole('Olga', `session?id=${id}`, { expects: [/404/] });
    await page.getByText('There is no such thing').waitFor();
  },
);

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

it('everything is reached and done with the keyboard alone', async () => {
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
