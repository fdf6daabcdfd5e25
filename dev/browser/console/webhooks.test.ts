import { once } from 'node:events';
import { createServer } from 'node:http';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { Webhook } from 'standardwebhooks';
import { expect, it } from 'vitest';
import { inspect } from './inspect.ts';
import { confirm, openConsole, row } from './open-console.ts';

it('a receiver is added, its secret is shown once, it is tested, sent events again, and deleted', async () => {
  let [answer, bodies]: [number, { body: string; headers: Record<string, string> }[]] = [204, []];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    const names = ['webhook-id', 'webhook-timestamp', 'webhook-signature'];
    bodies.push({
      body,
      headers: Object.fromEntries(names.map((name) => [name, String(request.headers[name])])),
    });
    response.writeHead(answer).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;

  const tab = await openConsole('Olga', 'webhooks');
  const { page, context } = tab;
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await page.getByRole('button', { name: 'Add a receiver' }).click();
  const dialog = page.getByRole('dialog');
  await inspect(page);
  await tab.screenshot('console-new-webhook');
  await dialog.getByLabel('Name').fill('console archive');
  await dialog.getByLabel('Address').fill(`http://127.0.0.1:${port}/events`);
  await dialog.getByRole('checkbox', { name: 'lock.created' }).check();
  await dialog.getByRole('button', { name: 'Add', exact: true }).click();
  await dialog.getByText('It is shown only once.').waitFor();
  await page.keyboard.press('Escape');
  await dialog.getByRole('button', { name: 'Copy the secret' }).click();
  await dialog.getByText('Copied.').waitFor();
  const secret = await page.evaluate(() => navigator.clipboard.readText());
  await dialog.getByRole('button', { name: 'I have stored the secret' }).click();
  await page.locator('dialog').waitFor({ state: 'detached' });
  expect(await page.content()).not.toContain(secret);

  await page.getByRole('button', { name: 'Test console archive' }).click();
  expect(await confirm(page)).toContain('It was taken: status 204.');
  const [sent] = bodies;
  expect(new Webhook(secret).verify(sent?.body ?? '', sent?.headers ?? {})).toMatchObject({
    type: 'webhook.test',
  });
  answer = 401;
  await page.getByRole('button', { name: 'Test console archive' }).click();
  expect(await confirm(page)).toContain('It was not taken: status 401.');

  await page.getByRole('button', { name: 'Redeliver to console archive' }).click();
  expect(await confirm(page, { 'After event': '0', Reason: 'for the test' })).toContain('to examine');
  await eventually(async () => expect(await row(page, 'console archive').innerText()).toContain('event 0'));

  await page.getByRole('button', { name: 'Delete console archive' }).click();
  expect(await confirm(page, { Reason: 'for the test' })).toContain('It is deleted.');
  await row(page, 'console archive').waitFor({ state: 'detached' });
  bodies = [];
  server.closeAllConnections();
  server.close();
});

it('who may only read sees receivers, and no way to change them', async () => {
  const { page } = await openConsole('Otto', 'webhooks');
  await page.getByText('There is no receiver.').waitFor();
  expect(await page.getByRole('button', { name: 'Add a receiver' }).count()).toBe(0);
});
