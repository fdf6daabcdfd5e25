import axe from 'axe-core';
import type { Page } from 'playwright-core';
import { expect } from 'vitest';

/** The rules whose answer can depend on the colour scheme. */
const OF_COLOURS = ['color-contrast', 'link-in-text-block'];

/**
 * The faults by axe that keep a person from using the page.
 *
 * @param rules the only rules to ask; left out: all that axe has on.
 */
async function findings(
  page: Page,
  exclude: readonly string[],
  rules?: readonly string[],
): Promise<string[]> {
  return page.evaluate(
    async ({ exclude, rules }) => {
      const { violations } = await (globalThis as unknown as { axe: typeof axe }).axe.run(
        { exclude: [...exclude] },
        { resultTypes: ['violations'], ...(rules && { runOnly: [...rules] }) },
      );
      return violations
        .filter(({ impact }) => impact === 'serious' || impact === 'critical')
        .map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target).join(', ')}`);
    },
    { exclude, rules },
  );
}

const overflow = (page: Page): Promise<number> =>
  page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

/**
 * Ways to view a page: both colour schemes, a phone, text of twice the size. In the dark only what colours decide is
 * asked again.
 *
 * @param exclude selectors of elements that are not ours.
 */
export async function inspect(page: Page, exclude: readonly string[] = []): Promise<void> {
  await page.evaluate(axe.source);
  for (const [width, what] of [
    [1280, 'a desktop'],
    [640, 'a desktop at 200 %'],
    [390, 'a phone'],
  ] as const) {
    await page.setViewportSize({ width, height: 800 });
    for (const [colorScheme, rules] of [
      ['light', undefined],
      ['dark', OF_COLOURS],
    ] as const) {
      await page.emulateMedia({ colorScheme });
      expect(await findings(page, exclude, rules), `${what}, ${colorScheme}`).toEqual([]);
      expect(await overflow(page), `${what}, ${colorScheme}`).toBe(0);
    }
  }
}
