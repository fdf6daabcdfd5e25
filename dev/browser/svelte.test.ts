import { expect, inject, it } from 'vitest';
import { openTab, type Tab } from './tab.ts';

/** A component of Svelte, compiled as an app does, with the entry of the client for Svelte. */

const NOT_SIGNED_IN = /401 \(Unauthorized\)/;

const pageOf = (instance: string): string => {
  const { broker, agentWorker: host } = inject('stack');
  return `${inject('pages')}/counter?${new URLSearchParams({ broker, host, instance })}`;
};
const shows = ({ page }: Tab, text: string) =>
  page.locator('output').getByText(text, { exact: true }).waitFor();

it('follows the refusal through the sign-in, and shows the state of the agent in two tabs', async () => {
  const url = pageOf('svelte');
  const tab = await openTab(url, { expects: [NOT_SIGNED_IN] });
  await shows(tab, 'UNAUTHORIZED');
  await tab.page.getByRole('link', { name: 'Sign in' }).click();
  await tab.page.getByRole('button', { name: /^Alice/ }).click();
  await tab.page.waitForURL(url);
  await shows(tab, '0');
  const other = await openTab(url, { beside: tab });
  await shows(other, '0');
  await other.page.getByRole('button', { name: 'Increment' }).click();
  await shows(tab, '1');
  await other.page.close();
  await tab.page.getByRole('button', { name: 'Increment' }).click();
  await shows(tab, '2');
});

it('shows why its socket was ended', async () => {
  const url = pageOf('svelte-ended');
  const tab = await openTab(url, { expects: [NOT_SIGNED_IN] });
  await shows(tab, 'UNAUTHORIZED');
  await tab.signIn('auth0|alice');
  await tab.page.goto(url);
  await shows(tab, '0');
  const beside = await openTab(inject('stack').agentWorker, { beside: tab });
  await beside.signOut();
  await shows(tab, 'forbidden');
  expect(await tab.page.getByRole('button').count()).toBe(0);
});
