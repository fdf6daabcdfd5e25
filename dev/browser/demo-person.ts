import type { Page } from 'playwright-core';
import { inject } from 'vitest';
import { openTab, type Tab, type TabOptions } from './tab.ts';

/** Actions of a person on the demo page, by visible text. */

type Role = Parameters<Page['getByRole']>[0];

export const demoUrl = (way?: 'access' | 'session'): string =>
  `${inject('stack').agentWorker}/${way === undefined ? '' : `#${way}`}`;

/** Chromium's own line about an answer that the case is about. */
export const answers = (status: number, path: string): RegExp => new RegExp(`${status}.*${path}\\)$`);

/** The demo page, with a person of the stand-in signed in by Access or at the broker. */
export async function openDemo(
  name: 'Alice' | 'Bob' | 'Dev',
  { way = 'access', duration = 'a day', ...options }: TabOptions & DemoVisit = {},
): Promise<Tab> {
  const tab = await openTab(demoUrl(), options);
  const { page } = tab;
  await page.getByLabel(way === 'access' ? 'Cloudflare Access' : 'Auth0').check();
  await page.getByRole('link', { name: /^Sign in/ }).click();
  if (way === 'access') await page.getByLabel('Stay signed in for').selectOption(duration);
  await page.getByRole('button', { name: new RegExp(`^${name}\\b`) }).click();
  await page.getByText(`You are ${name.toLowerCase()}@example.com`).waitFor();
  return tab;
}

export interface DemoVisit {
  readonly way?: 'access' | 'session';
  readonly duration?: 'a day' | 'a minute';
}

export const press = (page: Page, name: string | RegExp, role: Role = 'button'): Promise<void> =>
  page.getByRole(role, { name, exact: true }).click();

/** Asks for a ticket for a counter that no other test uses. */
export async function getTicket(page: Page, instance: string): Promise<void> {
  await page.getByLabel('Instance').fill(instance);
  await press(page, 'Get a ticket');
  await page.getByText(/^Expires in \d+ seconds$/).waitFor();
}

/** Connects with the present ticket; resolves with the card of the connection. */
export async function connect(page: Page) {
  const cards = page.getByRole('list', { name: 'Connections' }).locator('> li');
  const number = (await cards.count()) + 1;
  await press(page, 'Connect');
  const card = cards.filter({ hasText: `Connection ${number}:` });
  await card.getByText('Open', { exact: true }).waitFor();
  return card;
}
