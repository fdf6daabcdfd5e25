import type { App } from '../../e2e/starters/apps.ts';
import { openTab, type Tab } from '../tab.ts';

const NOT_SIGNED_IN = /401 \(Unauthorized\)/;
const BEFORE_SIGN_IN = { expects: [NOT_SIGNED_IN] };

/** Opens a page of an app; at the broker of a guarded app a person signs in first. */
export async function enter({ stack }: Pick<App, 'stack'>, page: string, beside?: Tab): Promise<Tab> {
  if (stack === undefined || beside !== undefined)
    return openTab(page, beside === undefined ? {} : { beside });
  const back = new URL('/', page).href;
  const tab = await openTab('about:blank', BEFORE_SIGN_IN);
  await tab.page.goto(`${stack.facts.broker}/auth/login?return_to=${encodeURIComponent(back)}`);
  await tab.page.getByRole('button', { name: /^Alice\b/ }).click();
  await tab.page.waitForURL(back);
  await tab.page.goto(page);
  return tab;
}
