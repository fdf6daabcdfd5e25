import axe from 'axe-core';
import type { Page } from 'playwright-core';
import { expect } from 'vitest';

/** The faults by axe that keep a person from using the page. */
async function findings(page: Page, exclude: readonly string[]): Promise<string[]> {
  await page.evaluate(axe.source);
  return page.evaluate(async (excluded) => {
    const { violations } = await (globalThis as unknown as { axe: typeof axe }).axe.run({
      exclude: [...excluded],
    });
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target).join(', ')}`);
  }, exclude);
}

const overflow = (page: Page): Promise<number> =>
  page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

/**
 * Ways to view a page: both colour schemes, a phone, text of twice the size.
 *
 * @param exclude selectors of elements that are not ours.
 */
export async function inspect(page: Page, exclude: readonly string[] = []): Promise<void> {
  for (const colorScheme of ['light', 'dark'] as const) {
    for (const [width, what] of [
      [1280, 'a desktop'],
      [640, 'a desktop at 200 %'],
      [390, 'a phone'],
    ] as const) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: 800 });
      expect(await findings(page, exclude), `${what}, ${colorScheme}`).toEqual([]);
      expect(await overflow(page), `${what}, ${colorScheme}`).toBe(0);
    }
  }
}
