import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { expect, inject, it } from 'vitest';
import { askForTicket, asOperator, mint, post } from '../../e2e/broker.ts';
import { makeService } from '../../e2e/service.ts';
import { openTab } from '../tab.ts';
import { inspect } from './inspect.ts';
import { confirm, live, openConsole, row } from './open-console.ts';

/** Grants, service tokens and locks in the console, each action with its effect on tickets and sockets. */

it('a grant is given and taken back, and what rests on it ends', async () => {
  const { page } = await openConsole('Olga', 'grants');
  const { clientId, headers } = await makeService();
  const subject = `token:${clientId}`;
  await page.getByRole('button', { name: 'Give a role' }).click();
  await page.getByRole('dialog').getByLabel('Role').selectOption('admin');
  const fields = { Subject: subject, Agent: 'counter', Instance: 'console-grant', Reason: 'for the test' };
  expect(await confirm(page, fields)).toContain('is now admin');

  expect((await mint({ instance: 'console-grant' }, headers)).role).toBe('admin');
  const { closed } = await live('console-grant', headers);
  await row(page, subject)
    .getByRole('button', { name: /^Take back/ })
    .click();
  expect(await confirm(page, { Reason: 'left the team' })).toContain('1 live connection closed');
  expect(await closed).toBe(3000);
  await row(page, subject).waitFor({ state: 'detached' });
});

it('a long list is read page by page and back, and a page holds no row of another', async () => {
  const { page } = await openConsole('Olga', 'grants?agent=counter&instance=console-pages');
  const grants = Array.from({ length: 60 }, (_, index) => ({
    ...{
      subject: `auth0:dev-tenant.auth.test:auth0|page-${index}`,
      agent: 'counter',
      instance: 'console-pages',
    },
    ...{ role: 'viewer', reason: 'for the test' },
  }));
  for (const grant of grants) await post(`${inject('stack').broker}/admin/grants`, asOperator(), grant);
  await page.getByRole('button', { name: 'Refresh' }).click();
  const subjects = async (): Promise<string[]> =>
    (await page.getByRole('row').locator('td:first-child').allInnerTexts()).filter(Boolean);
  await eventually(async () => expect(await subjects()).toHaveLength(50));
  const first = await subjects();
  await page.getByRole('button', { name: 'Next page' }).click();
  await page.getByText('Page 2').waitFor();
  await eventually(async () => expect(await subjects()).toHaveLength(10));
  const second = await subjects();
  expect(new Set([...first, ...second]).size).toBe(60);
  expect(await page.getByRole('button', { name: 'Next page' }).isDisabled()).toBe(true);
  await page.getByRole('button', { name: 'Previous page' }).click();
  await eventually(async () => expect(await subjects()).toEqual(first));
});

it('a grant that another operator took back meanwhile is reported as missing', async () => {
  const { page } = await openConsole('Olga', 'grants?agent=counter&instance=console-gone', {
    expects: [/404/],
  });
  const { broker } = inject('stack');
  const made = await post(`${broker}/admin/grants`, asOperator(), {
    ...{ subject: 'auth0:dev-tenant.auth.test:auth0|gone', agent: 'counter', instance: 'console-gone' },
    ...{ role: 'viewer', reason: 'for the test' },
  });
  const { id } = (await made.json()) as { id: string };
  await page.getByRole('button', { name: 'Refresh' }).click();
  await row(page, 'auth0|gone')
    .getByRole('button', { name: /^Take back/ })
    .click();
  await fetch(`${broker}/admin/grants/${id}`, { method: 'DELETE', headers: asOperator() });
  const dialog = page.getByRole('dialog');
  const reason = dialog.getByLabel('Reason');
  await reason.fill('   ');
  await dialog.getByRole('button', { name: 'Take back' }).click();
  expect(await reason.evaluate((input) => input.matches(':invalid'))).toBe(true);
  await reason.fill('left the team');
  await dialog.getByRole('button', { name: 'Take back' }).click();
  await dialog.getByText('There is no such thing').waitFor();
  await page.keyboard.press('Escape');
  await row(page, 'auth0|gone').waitFor({ state: 'detached' });
});

it('a secret that is shown once outlives the end of the sign-in, and is copied by hand where the page may not', async () => {
  const tab = await openConsole('Olga', 'service-tokens', { expects: [/401/] });
  const { page } = tab;
  await page.getByRole('button', { name: 'Make a service token' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Name').fill('console outlived');
  await dialog.getByRole('button', { name: 'Make', exact: true }).click();
  await dialog.getByText('It is shown only once.').waitFor();
  const other = await openTab(inject('stack').agentWorker, { beside: tab });
  await other.signOut();
  await page.evaluate(() => dispatchEvent(new Event('online')));
  await page.locator('main.gateway').waitFor();
  // As on a page without TLS.
  await page.evaluate(() => Object.defineProperty(navigator, 'clipboard', { value: undefined }));
  await dialog.getByRole('button', { name: 'Copy the secret' }).click();
  await dialog.getByText('Select and copy it by hand.').waitFor();
  const secret = await dialog.locator('dd').nth(1).innerText();
  const used = await askForTicket({ instance: 'console-outlived' }, { authorization: `Bearer ${secret}` });
  expect(used.status).toBe(201);
});

it('a service token is made, its secret is shown once, it gets another secret, and it is revoked', async () => {
  const tab = await openConsole('Olga', 'service-tokens');
  const { page, context } = tab;
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await page.getByRole('button', { name: 'Make a service token' }).click();
  const dialog = page.getByRole('dialog');
  await inspect(page);
  await tab.screenshot('console-new-token');
  await dialog.getByLabel('Name').fill('console made it');
  await dialog.getByRole('button', { name: 'Make', exact: true }).click();
  await dialog.getByText('It is shown only once.').waitFor();
  // The secret would be gone.
  await page.keyboard.press('Escape');
  await dialog.getByRole('button', { name: 'Copy the secret' }).click();
  await dialog.getByText('Copied.').waitFor();
  const secret = await page.evaluate(() => navigator.clipboard.readText());
  const bearer = (text: string) => ({ authorization: `Bearer ${text}` });
  expect((await askForTicket({ instance: 'console-token' }, bearer(secret))).status).toBe(201);
  await dialog.getByRole('button', { name: 'I have stored the secret' }).click();
  await page.locator('dialog').waitFor({ state: 'detached' });
  expect(await page.content()).not.toContain(secret);

  await page.getByRole('button', { name: 'New secret of console made it' }).click();
  await dialog.getByLabel('The old secret stays valid for').selectOption('0');
  await dialog.getByRole('button', { name: 'Make the new secret' }).click();
  await dialog.getByText('It is shown only once.').waitFor();
  await dialog.getByRole('button', { name: 'I have stored the secret' }).click();
  expect((await askForTicket({ instance: 'console-token' }, bearer(secret))).status).toBe(401);

  await page.getByRole('button', { name: 'Revoke console made it' }).click();
  await confirm(page, { Reason: 'no longer needed' });
  await row(page, 'console made it').waitFor({ state: 'detached' });
});

it('a lock shows the sessions that it would end, ends them, and is lifted', async () => {
  const tab = await openConsole('Olga', 'locks');
  const { page } = tab;
  const { closed } = await live('console-lock');
  await page.getByText('Lock something').click();
  await page.getByLabel('Target').selectOption('An instance of an agent');
  await page.getByLabel('Name').fill('counter/console-lock');
  await page.getByRole('button', { name: 'Show the sessions it would end' }).click();
  await page.getByText('1 live session').waitFor();
  await tab.screenshot('console-lock-effect');
  await page.getByRole('button', { name: 'Lock …' }).click();
  await inspect(page);
  await tab.screenshot('console-lock-dialog');
  expect(await confirm(page, { Reason: 'an exercise' })).toContain('1 live connection closed');
  expect(await closed).toBe(4003);
  expect((await askForTicket({ instance: 'console-lock' })).status).toBe(403);

  await row(page, 'counter / console-lock').getByRole('button', { name: /^Lift/ }).click();
  await confirm(page, { Reason: 'it is over' });
  await row(page, 'counter / console-lock').waitFor({ state: 'detached' });
  expect((await askForTicket({ instance: 'console-lock' })).status).toBe(201);
});

it('an operator cannot lock themselves, and the dialog says why', async () => {
  const name = encodeURIComponent('auth0:dev-tenant.auth.test:auth0|olga');
  const { page } = await openConsole('Olga', `locks?kind=principal&name=${name}`, { expects: [/400/] });
  await page.getByRole('button', { name: 'Lock …' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Reason').fill('an exercise');
  await dialog.getByRole('button', { name: 'Lock', exact: true }).click();
  await dialog.getByRole('alert').waitFor();
  expect(await dialog.getByRole('alert').innerText()).toMatch(/lock/i);
});
