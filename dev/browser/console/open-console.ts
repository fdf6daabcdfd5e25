import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import type { Locator, Page } from 'playwright-core';
import { expect, inject } from 'vitest';
import { mint } from '../../e2e/broker.ts';
import { signedIn } from '../../e2e/person.ts';
import { nextFrame, openSocket, socketUrl } from '../../e2e/sockets.ts';
import { sessionsOf } from '../../e2e/stack-queries.ts';
import { openTab, type Tab, type TabOptions } from '../tab.ts';

/** Actions of an operator in the console, by visible text. */

export const consoleUrl = (view = ''): string => `${inject('stack').broker}/console#${view}`;

/** The console with an operator who signed in before: Olga may do everything, Otto only read. */
export async function openConsole(
  name: 'Olga' | 'Otto' | 'Alice',
  view: string,
  options: TabOptions = {},
): Promise<Tab> {
  const { broker: url } = inject('stack');
  const [tab, person] = await Promise.all([openTab('about:blank', options), signedIn(name.toLowerCase())]);
  await tab.context.addCookies([...person.jar(url)].map(([name, value]) => ({ name, value, url })));
  await tab.page.goto(consoleUrl(view));
  await tab.page.getByText(`${name.toLowerCase()}@example.com`, { exact: true }).waitFor();
  return tab;
}

/** The row of a table that has a text. */
export const row = (page: Page, text: string): Locator => page.getByRole('row').filter({ hasText: text });

/** Fills the fields of the open dialog, presses its first button, and answers with what it shows when that is done. */
export async function confirm(page: Page, fields: Readonly<Record<string, string>> = {}): Promise<string> {
  const dialog = page.getByRole('dialog');
  for (const [label, text] of Object.entries(fields)) await dialog.getByLabel(label).fill(text);
  await dialog.locator('button[type=submit]').click();
  const done = dialog.getByRole('status');
  await done.waitFor();
  const text = await done.innerText();
  await dialog.getByRole('button', { name: 'Close' }).click();
  return text;
}

/** A session on a counter that the record database has. Resolves with a promise of its close code. */
export async function live(
  instance: string,
  headers?: Readonly<Record<string, string>>,
): Promise<{ readonly closed: Promise<number> }> {
  const before = (await sessionsOf('counter', instance)).length;
  const { ticket } = await mint({ instance }, headers);
  const { socket, closed } = openSocket(socketUrl('counter', instance, { ticket }));
  await nextFrame(socket);
  await eventually(async () => expect(await sessionsOf('counter', instance)).toHaveLength(before + 1));
  return { closed: closed.then(({ code }) => code) };
}
