import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';

/** Not under version control: a release stores them as artefacts. */
const FOLDER = fileURLToPath(new URL('screenshots/', import.meta.url));
const DESKTOP = { width: 1280, height: 800 };
const PHONE = { width: 360, height: 740 };

const VARIANTS = [
  ['light', 'light', DESKTOP],
  ['dark', 'dark', DESKTOP],
  ['phone', 'light', PHONE],
] as const;

/**
 * `screenshots/<name>.light.png`, `.dark.png` and `.phone.png`, where `SCREENSHOTS` asks for them: three take longer
 * than what most tests do. The page ends light and at the width of a desktop.
 */
export async function screenshots(page: Page, name: string): Promise<void> {
  if (!process.env.SCREENSHOTS) return;
  await mkdir(FOLDER, { recursive: true });
  for (const [variant, colorScheme, size] of VARIANTS) {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize(size);
    await page.screenshot({
      path: `${FOLDER}${name}.${variant}.png`,
      fullPage: true,
      animations: 'disabled',
    });
  }
  await page.emulateMedia({ colorScheme: 'light' });
  await page.setViewportSize(DESKTOP);
}
