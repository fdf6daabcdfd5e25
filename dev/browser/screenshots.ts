import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';

/** Not under version control: CI keeps them as artefacts. */
const FOLDER = fileURLToPath(new URL('screenshots/', import.meta.url));
const DESKTOP = { width: 1280, height: 800 };
const PHONE = { width: 360, height: 740 };

const LOOKS = [
  ['light', 'light', DESKTOP],
  ['dark', 'dark', DESKTOP],
  ['phone', 'light', PHONE],
] as const;

/** `screenshots/<name>.light.png`, `.dark.png` and `.phone.png`; the page is left light and at the width of a desk. */
export async function screenshots(page: Page, name: string): Promise<void> {
  await mkdir(FOLDER, { recursive: true });
  for (const [look, colorScheme, size] of LOOKS) {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize(size);
    await page.screenshot({ path: `${FOLDER}${name}.${look}.png`, fullPage: true, animations: 'disabled' });
  }
  await page.emulateMedia({ colorScheme: 'light' });
  await page.setViewportSize(DESKTOP);
}
