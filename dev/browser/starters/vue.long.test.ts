import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Apps, startBoth } from '../../e2e/starters/apps.ts';
import { changedLines } from '../../e2e/starters/install.ts';
import type { Tab } from '../tab.ts';
import { enter } from './enter.ts';

/** A page of Vue with the stock client, without tickets and with them. */

let apps: Apps;
beforeAll(async () => {
  apps = await startBoth('vue', ['parrot']);
}, 600_000);
afterAll(async () => {
  await Promise.all([apps?.plain.close(), apps?.guarded.close()]);
});

describe.each(['plain', 'guarded'] as const)('the page of the %s app', (kind) => {
  it('shows an answer that comes word by word, in a second tab as well, and after a reload', async () => {
    const visit = (beside?: Tab) => enter(apps[kind], `${apps[kind].url}/?name=talk`, beside);
    const tab = await visit();
    const other = await visit(tab);
    await tab.page.getByLabel('Message').fill('who is there');
    await tab.page.keyboard.press('Enter');
    await tab.page.locator('#words').getByText('who-is-there').waitFor();
    await other.page.locator('#said').getByText('who is there').waitFor();
    await tab.page.reload();
    await tab.page.locator('#said').getByText('who is there').waitFor();
  });
});

it('it is protected by ten lines at most', async () => {
  expect(await changedLines('vue')).toBeLessThanOrEqual(10);
});
