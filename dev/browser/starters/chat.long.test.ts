import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { type Apps, startBoth } from '../../e2e/starters/apps.ts';
import { openProvider } from '../mcp-oauth/provider.ts';
import type { Tab } from '../tab.ts';
import { enter } from './enter.ts';

/** The page of the chat starter, with the stock hooks, without tickets and with them. */

let apps: Apps;
beforeAll(async () => {
  apps = await startBoth('chat', ['assistant']);
}, 600_000);
afterAll(async () => {
  await Promise.all([apps?.plain.close(), apps?.guarded.close()]);
});

/** The page of one chat. */
const enterChat = (kind: keyof Apps, name: string, beside?: Tab) =>
  enter(apps[kind], `${apps[kind].url}/?name=${name}`, beside);

async function say({ page }: Tab, text: string): Promise<void> {
  await page.getByLabel('Message').fill(text);
  await page.keyboard.press('Enter');
}

const answer = ({ page }: Tab, text: string | RegExp) => page.locator('#messages').getByText(text).waitFor();

describe.each(['plain', 'guarded'] as const)('the page of the %s app', (kind) => {
  it('asks, approves, shows a picture of a mebibyte, and has it all after a reload', async () => {
    const tab = await enterChat(kind, 'talk');
    await say(tab, 'hello there');
    await answer(tab, 'You said: hello there');
    await say(tab, 'book');
    await tab.page.getByRole('button', { name: 'Approve' }).click();
    await answer(tab, /booked blue/);
    await tab.page.getByLabel('Picture').setInputFiles({
      name: 'seven.png',
      mimeType: 'image/png',
      buffer: Buffer.alloc(1024 * 1024, 7),
    });
    await answer(tab, 'I see 1 picture.');
    await say(tab, 'and now');
    await answer(tab, 'You said: and now');
    await tab.page.reload();
    await answer(tab, 'You said: and now');
    await answer(tab, /booked blue/);
  });

  it('goes on with an answer after a reload in the middle of it', async () => {
    const tab = await enterChat(kind, 'count');
    await say(tab, 'count');
    await answer(tab, /n3/);
    await tab.page.reload();
    await answer(tab, /n0 n1 .*n29/);
  });

  it('adds an MCP server with OAuth by a popup, whose redirect is that of this chat alone', async () => {
    const provider = await openProvider();
    onTestFinished(provider.close);
    const { page, context } = await enterChat(kind, 'with-tools');
    await page.getByLabel('MCP server').fill(provider.mcpUrl);
    const popup = context.waitForEvent('page');
    await page.keyboard.press('Enter');
    await (await popup).getByRole('link', { name: 'Agree' }).click();
    await page.locator('#tools').getByText('tools: ready').waitFor();
    const path = kind === 'plain' ? 'callback' : 'oauth';
    expect(provider.registered()).toEqual([`${apps[kind].url}/agents/assistant/with-tools/${path}`]);
    expect(provider.redeemed()).toBe(1);
  });

  it('shows in a second tab what the first one changed', async () => {
    const tab = await enterChat(kind, 'board');
    const other = await enterChat(kind, 'board', tab);
    await tab.page.getByRole('button', { name: 'Add' }).click();
    await other.page.locator('#done').getByText('by hand').waitFor();
  });
});
