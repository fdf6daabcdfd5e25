import { expect, inject, it } from 'vitest';
import { inspect } from './console/inspect.ts';
import { openTab, type Tab, type TabOptions } from './tab.ts';

/** The page of the list of integrations: an MCP server with a sign-in, a webhook, and both in the audit log. */

const NOT_ALLOWED = /403 \(Forbidden\)/;

const urlOf = (name: string): string => `${inject('stack').agentWorker}/integrations?list=${name}`;

/** A list of a person, who signs in by the page's own link. */
async function enter(name: string, person: string, options: TabOptions = {}): Promise<Tab> {
  const tab = await openTab(urlOf(name), options);
  await tab.page.getByRole('link', { name: 'Sign in' }).click();
  await tab.page.getByRole('button', { name: new RegExp(`^${person}\\b`) }).click();
  await tab.page.waitForURL(urlOf(name));
  await tab.page.getByText('Connected', { exact: true }).waitFor();
  return tab;
}

const servers = ({ page }: Tab) => page.getByRole('list', { name: 'MCP servers' }).getByRole('listitem');
const webhooks = ({ page }: Tab) =>
  page.getByRole('list', { name: 'Webhooks that came' }).getByRole('listitem');
const events = ({ page }: Tab) => page.getByRole('list', { name: 'Events' }).getByRole('listitem');

/** Begins to add the server of the stand-in; answers with its window. */
async function begin({ page, context }: Tab) {
  const popup = context.waitForEvent('page');
  await page.getByLabel('Address of the server').press('Enter');
  const opened = await popup;
  await opened.getByRole('link', { name: 'Agree' }).waitFor();
  return opened;
}

it('a person adds an MCP server by its sign-in, gets a webhook, and finds both in the audit log', async () => {
  const tab = await enter('whole', 'Olga');
  const { page } = tab;
  const popup = await begin(tab);
  await servers(tab).getByText('Waits for your sign-in.').waitFor();
  expect(await popup.evaluate(() => window.opener)).toBeNull();
  const closed = popup.waitForEvent('close');
  await popup.getByRole('link', { name: 'Agree' }).click();
  await servers(tab).getByText('Connected, with 1 tool.').waitFor();
  await closed;

  await page.getByRole('button', { name: 'Make a URL' }).click();
  await page.getByText('Each press makes another one.').waitFor();
  await page.getByRole('button', { name: 'Send one from here' }).click();
  await page.getByText('Sent: the answer was 204.').waitFor();
  await webhooks(tab).getByText('{"hello":"from this page"}').waitFor();

  for (const who of ['callback:mcp-oauth', 'callback:webhook'])
    await events(tab).filter({ hasText: 'callback.used' }).filter({ hasText: who }).waitFor();
  expect(await events(tab).filter({ hasText: 'callback.used' }).count()).toBe(2);
  await tab.screenshot('integrations');
  await inspect(page);

  await page.reload();
  await servers(tab).getByText('Connected, with 1 tool.').waitFor();
  await page.getByRole('button', { name: /^Remove/ }).press('Enter');
  await servers(tab).waitFor({ state: 'detached' });
  expect(
    await page.getByLabel('Address of the server').evaluate((field) => field === document.activeElement),
  ).toBe(true);
});

it('a sign-in that the person refuses leaves a server that failed, says so, and can begin again', async () => {
  const tab = await enter('refused', 'Alice');
  const popup = await begin(tab);
  const closed = popup.waitForEvent('close');
  await popup.getByRole('link', { name: 'Refuse' }).click();
  await servers(tab)
    .getByText(/^Failed: .+ Remove it to try again\.$/)
    .waitFor();
  await closed;
  await tab.screenshot('integrations-refused');
  await tab.page.getByRole('button', { name: /^Remove/ }).click();
  await servers(tab).waitFor({ state: 'detached' });
  await (await begin(tab)).getByRole('link', { name: 'Agree' }).click();
  await servers(tab).getByText('Connected, with 1 tool.').waitFor();
});

it('where the browser blocks the window, a link leads to the sign-in', async () => {
  const tab = await enter('blocked', 'Alice');
  const { page, context } = tab;
  await page.evaluate(() => {
    window.open = () => null;
  });
  await page.getByLabel('Address of the server').press('Enter');
  const link = servers(tab).getByRole('link', { name: 'Sign in there' });
  const opened = context.waitForEvent('page');
  await link.click();
  const there = await opened;
  const closed = there.waitForEvent('close');
  await there.getByRole('link', { name: 'Agree' }).click();
  await servers(tab).getByText('Connected, with 1 tool.').waitFor();
  await closed;
});

it('two tabs of one browser show the same sign-in, and either ends it', async () => {
  const tab = await enter('two-tabs', 'Alice');
  const other = await openTab(urlOf('two-tabs'), { beside: tab });
  await other.page.getByText('Connected', { exact: true }).waitFor();
  const popup = await begin(tab);
  const opened = tab.context.waitForEvent('page');
  await servers(other).getByRole('link', { name: 'Sign in there' }).click();
  await (await opened).getByRole('link', { name: 'Agree' }).click();
  for (const each of [tab, other]) await servers(each).getByText('Connected, with 1 tool.').waitFor();
  await popup.close();
});

it('another browser of the same person sees no address of the sign-in, cannot end it, and may begin its own', async () => {
  const tab = await enter('stolen', 'Alice');
  const back = await (await begin(tab)).getByRole('link', { name: 'Agree' }).getAttribute('href');
  const elsewhere = await enter('stolen', 'Alice');
  await servers(elsewhere).getByText('Waits for your sign-in.').waitFor();
  expect(await servers(elsewhere).getByRole('link').count()).toBe(0);
  const thief = await openTab('about:blank', { beside: elsewhere, expects: [/401/, /favicon/] });
  expect((await thief.page.goto(back ?? ''))?.status()).toBe(401);
  await servers(tab).getByText('Waits for your sign-in.').waitFor();

  const popup = elsewhere.context.waitForEvent('page');
  await servers(elsewhere).getByRole('button', { name: 'Sign in from here' }).click();
  await (await popup).getByRole('link', { name: 'Agree' }).click();
  for (const each of [tab, elsewhere]) await servers(each).getByText('Connected, with 1 tool.').waitFor();
});

it('text of strangers is shown as text: the body and type of a webhook, and the error of a sign-in', async () => {
  const html = '<img src=x onerror="document.title = 1"><script>document.title = 2</script>';
  const tab = await enter('markup', 'Alice');
  const { page } = tab;
  await page.getByRole('button', { name: 'Make a URL' }).click();
  const command = await page.getByText(/^curl -X POST/).innerText();
  const url = /'([^']+)'/.exec(command)?.[1] ?? '';
  const sent = await fetch(url, { method: 'POST', body: html, headers: { 'content-type': html } });
  expect(sent.status).toBe(204);
  await webhooks(tab).getByText(html).first().waitFor();
  const popup = await begin(tab);
  const back = new URL((await popup.getByRole('link', { name: 'Refuse' }).getAttribute('href')) ?? '');
  back.searchParams.set('error', html);
  await popup.goto(back.href).catch(() => undefined);
  await servers(tab)
    .getByText(/^Failed: .+ Remove it to try again\.$/)
    .waitFor();
  expect(await page.locator('img').count()).toBe(0);
  expect(await page.title()).toBe('Integrations');
});

it('a person who is not an operator is told which permission the audit log needs', async () => {
  const { page } = await enter('plain', 'Bob');
  await page.getByText('your sign-in lacks the permission audit:read').waitFor();
});

it('a list belongs to the first principal that opens it', async () => {
  await enter('private', 'Alice');
  const bob = await openTab(urlOf('private'), { expects: [NOT_ALLOWED] });
  await bob.page.getByRole('link', { name: 'Sign in' }).click();
  await bob.page.getByRole('button', { name: /^Bob\b/ }).click();
  await bob.page.getByRole('heading', { name: 'This list is not yours' }).waitFor();
});
