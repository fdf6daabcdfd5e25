import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import axe from 'axe-core';
import type { Page } from 'playwright-core';
import { describe, expect, inject, it } from 'vitest';
import { openTab } from '../tab.ts';
import { consoleUrl, live, openConsole } from './open-console.ts';

const VIEWS = [
  'overview',
  'sessions',
  'principals',
  'grants',
  'service-tokens',
  'locks',
  'keys',
  'audit',
  'explain?agent=counter',
];

/** What axe finds that keeps a person from using the page. */
async function findings(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  return page.evaluate(async () => {
    const { violations } = await (globalThis as unknown as { axe: typeof axe }).axe.run();
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target).join(', ')}`);
  });
}

const overflow = (page: Page): Promise<number> =>
  page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

/** Every way of looking at a page that somebody has: colours, a phone, letters of twice the size. */
async function inspect(page: Page): Promise<void> {
  for (const colorScheme of ['light', 'dark'] as const) {
    for (const [width, what] of [
      [1280, 'a desktop'],
      [640, 'a desktop at 200 %'],
      [390, 'a phone'],
    ] as const) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: 800 });
      expect(await findings(page), `${what}, ${colorScheme}`).toEqual([]);
      expect(await overflow(page), `${what}, ${colorScheme}`).toBe(0);
    }
  }
}

const settled = async (page: Page): Promise<void> => {
  await page.locator('h1').waitFor();
  await eventually(async () =>
    expect(await page.getByText(/^(Loading|Counting|Asking).* …$/).count()).toBe(0),
  );
};

describe('every view can be read by everybody', () => {
  it('the sign-in', async () => {
    const tab = await openTab(consoleUrl());
    await settled(tab.page);
    await inspect(tab.page);
    await tab.screenshot('console-sign-in');
  });

  it.each([
    ['the first page of the broker', '/', []],
    ['a sign-in that failed', '/auth/callback?state=none', [/400/]],
    ['the sign-in of the stand-in', '/auth/login', [/favicon/]],
  ] as const)('%s', async (what, path, expects) => {
    const tab = await openTab(`${inject('stack').broker}${path}`, { expects });
    await tab.page.locator('h1').waitFor();
    await inspect(tab.page);
    await tab.screenshot(`page-${what.replaceAll(' ', '-')}`);
  });

  it.each(VIEWS)('%s', async (view) => {
    await live('console-views');
    const tab = await openConsole('Olga', view);
    await settled(tab.page);
    await inspect(tab.page);
    await tab.screenshot(`console-${view.split('?')[0]}`);
  });
});
