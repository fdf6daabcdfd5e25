import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import type { Page } from 'playwright-core';
import { describe, expect, inject, it } from 'vitest';
import { openTab } from '../tab.ts';
import { inspect } from './inspect.ts';
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
  'webhooks',
  'explain?agent=counter',
];

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
