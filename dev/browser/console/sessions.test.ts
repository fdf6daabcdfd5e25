import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { expect, inject, it } from 'vitest';
import { asOperator, post } from '../../e2e/broker.ts';
import { eventsOf, sessionsOf } from '../../e2e/stack-queries.ts';
import { demoUrl } from '../demo-person.ts';
import { openTab } from '../tab.ts';
import { confirm, consoleUrl, live, openConsole, row } from './open-console.ts';

it('a person who is not signed in gets the sign-in, and returns to the view of the link', async () => {
  const view = 'sessions?agent=counter';
  const { page } = await openTab(consoleUrl(view));
  await page.getByRole('link', { name: 'Sign in' }).click();
  await page.getByRole('button', { name: /^Olga\b/ }).click();
  await page.getByRole('heading', { name: 'Sessions' }).waitFor();
  expect(page.url()).toBe(consoleUrl(view));
  expect(await page.getByLabel('Agent', { exact: true }).inputValue()).toBe('counter');
});

it('an operator sees a session live, ends it with a reason, and the receipt, the log and another operator have it', async () => {
  const tab = await openConsole('Olga', 'sessions');
  const { page } = tab;
  const { page: seenByOtto } = await openConsole('Otto', 'sessions');
  const { closed } = await live('console-end');
  await row(page, 'console-end').waitFor();
  await row(seenByOtto, 'console-end').waitFor();
  await tab.screenshot('console-sessions');
  await row(page, 'console-end')
    .getByRole('button', { name: /^End the session/ })
    .click();
  expect(await page.getByRole('dialog').innerText()).toContain('cannot be brought back');
  expect(await confirm(page, { Reason: 'a lost laptop' })).toMatch(/1 live connection closed/);
  expect(await closed).toBe(4003);
  await row(page, 'console-end').waitFor({ state: 'detached' });
  await row(seenByOtto, 'console-end').waitFor({ state: 'detached' });
  const ended = (await eventsOf('counter', 'console-end')).find(({ type }) => type === 'session.terminated');
  expect(ended?.details).toContain('a lost laptop');
  expect(ended?.user_id).toContain('olga');
});

it('a session that another operator ended meanwhile is reported as ended, and keeps that end', async () => {
  const { page } = await openConsole('Olga', 'sessions?agent=counter&instance=console-race', {
    expects: [/409/],
  });
  await live('console-race');
  await row(page, 'console-race')
    .getByRole('button', { name: /^End the session/ })
    .click();
  await post(`${inject('stack').broker}/admin/agents/sessions/terminate`, asOperator(), {
    ...{ agent: 'counter', instance: 'console-race' },
  });
  await eventually(async () =>
    expect(await sessionsOf('counter', 'console-race')).toMatchObject([{ ended_at: expect.any(Number) }]),
  );
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Reason').fill('the same');
  await dialog.getByRole('button', { name: 'End session' }).click();
  await dialog.getByText('Something changed meanwhile').waitFor();
  await page.keyboard.press('Escape');
  await page.getByText('Nobody is connected.').waitFor();
  expect(await sessionsOf('counter', 'console-race')).toHaveLength(1);
});

it('an operator whom Access signed in needs no other sign-in to end a session', async () => {
  const { page } = await openTab(demoUrl());
  await page.getByLabel('Cloudflare Access').check();
  await page.getByRole('link', { name: /^Sign in/ }).click();
  await page.getByRole('button', { name: /^Olga\b/ }).click();
  await page.getByText('You are olga@example.com').waitFor();
  const { closed } = await live('console-access');
  await page.goto(consoleUrl('sessions?agent=counter&instance=console-access'));
  await row(page, 'console-access').getByRole('button', { name: /^End/ }).click();
  expect(await confirm(page, { Reason: 'an exercise' })).toMatch(/1 live connection closed/);
  expect(await closed).toBe(4003);
});

it('all sessions of one instance end at once, after the dialog has shown their number', async () => {
  const { page } = await openConsole('Olga', 'sessions?agent=counter&instance=console-all');
  await live('console-all');
  await live('console-all');
  await row(page, 'console-all').nth(1).waitFor();
  await page.getByRole('button', { name: 'End all sessions of counter / console-all' }).click();
  await page.getByRole('dialog').getByText('2 live sessions').waitFor();
  expect(await confirm(page, { Reason: 'an exercise' })).toMatch(/2 live connections closed/);
  await page.getByText('Nobody is connected.').waitFor();
});

it('an operator who may only read sees no button that the broker would refuse', async () => {
  const { page } = await openConsole('Otto', 'sessions?agent=counter&instance=console-read');
  await live('console-read');
  await row(page, 'console-read').waitFor();
  expect(await page.getByRole('button', { name: /^End/ }).count()).toBe(0);
});

it('a person who is no operator is told so', async () => {
  const { page } = await openConsole('Alice', 'sessions');
  await page.getByText('This view needs the permission sessions:read.').waitFor();
});
