import { PATIENCE_MS } from '@agent-ticket/shared/test/patience.ts';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { expect, inject, onTestFinished } from 'vitest';
import { stopClock } from './page-clock.ts';
import { screenshots } from './screenshots.ts';
import { watchPage } from './watch-page.ts';

export interface TabOptions {
  /**
   * Expected errors of the console, such as Chromium's own line about an answer of 401. All others, and
   * every uncaught error, fail the test.
   */
  readonly expects?: readonly RegExp[];
  /** A page of the same person: same cookies. */
  readonly beside?: Tab;
  /**
   * The page's clock, in milliseconds since 1970; only `pass` of `page-clock.ts` advances it.
   * Left out: it goes as all clocks do.
   */
  readonly now?: number;
}

export interface Tab {
  readonly page: Page;
  readonly context: BrowserContext;
  /**
   * Signs a person of the stand-in in at the broker, and returns to the present page: a name of its sign-in page, or
   * `auth0|<anybody>`, of whom the stand-in does not ask. A file has people of its own: a sign-out ends a person's
   * tokens everywhere, and a person's limit is one for all tests.
   */
  signIn(name: string): Promise<void>;
  /** Signs out at the broker, and returns to the present page. */
  signOut(): Promise<void>;
  /** With `SCREENSHOTS=1`, stores screenshots of the page: light, dark, and at the width of a phone. */
  screenshot(name: string): Promise<void>;
}

let browser: Promise<Browser> | undefined;
const theBrowser = (): Promise<Browser> => {
  browser ??= chromium.connect(inject('chromium'));
  return browser;
};

/**
 * Opens a page in a browser of its own: no cookies, nothing stored. Fails the test that opened it when the page asks
 * any other machine, or shows an unexpected error. It closes when the test ends.
 */
export async function openTab(url: string, { expects = [], beside, now }: TabOptions = {}): Promise<Tab> {
  const context = beside?.context ?? (await (await theBrowser()).newContext());
  if (now !== undefined) await stopClock(context, now);
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  const { broker } = inject('stack');
  const faults = watchPage(page, expects);
  onTestFinished(async () => {
    await (beside === undefined ? context.close() : page.close());
    expect(faults, 'what the page should not have done').toEqual([]);
  });
  await page.goto(url);
  return {
    page,
    context,
    screenshot: (name) => screenshots(page, name),
    async signIn(name) {
      const back = page.url();
      const login = `${broker}/auth/login?return_to=${encodeURIComponent(back)}`;
      if (name.includes('|')) await page.goto(`${login}&login_hint=${encodeURIComponent(name)}`);
      else {
        await page.goto(login);
        await page.getByRole('button', { name: new RegExp(`^${name}\\b`) }).click();
      }
      await page.waitForURL(back);
    },
    async signOut() {
      const back = page.url();
      await page.goto(`${broker}/auth/logout`);
      await page.goto(back);
    },
  };
}
