import { existsSync } from 'node:fs';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { expect, inject, it, onTestFinished, vi } from 'vitest';
import { openTab } from './tab.ts';
import { watchPage } from './watch-page.ts';

it('the demo page gets a ticket and connects', async () => {
  const tab = await openTab(inject('stack').agentWorker);
  const { page } = tab;
  await page.getByLabel('Lobby').check();
  await page.getByRole('button', { name: 'Get a ticket', exact: true }).click();
  await page.getByRole('button', { name: 'Connect', exact: true }).click();
  await page
    .getByRole('list', { name: 'Connections' })
    .getByText('cf_agent_identity')
    .first()
    .waitFor({ state: 'attached' });
  vi.stubEnv('SCREENSHOTS', '1');
  onTestFinished(() => void vi.unstubAllEnvs());
  await tab.screenshot('demo-connected');
  for (const variant of ['light', 'dark', 'phone'])
    expect(existsSync(new URL(`screenshots/demo-connected.${variant}.png`, import.meta.url)), variant).toBe(
      true,
    );
});

it('a person signs in at the broker through the tenant’s page, and out again', async () => {
  const me = `${inject('stack').broker}/me`;
  const tab = await openTab(me, { expects: [/401/] });
  expect(await tab.page.textContent('body')).toContain('UNAUTHORIZED');
  await tab.signIn('Mallory');
  expect(tab.page.url()).toBe(me);
  expect(await tab.page.textContent('body')).toContain('mallory@example.com');
  await tab.signOut();
  expect(await tab.page.textContent('body')).toContain('UNAUTHORIZED');
});

it('a page of another origin reaches agents with the session at the broker', async () => {
  const tab = await openTab(`${inject('pages')}/app`);
  await tab.signIn('auth0|harness');
  const { broker, agentWorker: host } = inject('stack');
  const principal = await tab.page.evaluate(
    async (options) => {
      const ticket = window.app.createTicketProvider({
        ...options,
        agent: 'counter',
        instance: 'harness',
        credential: { kind: 'session' },
      });
      const agent = new window.app.AgentClient(ticket.agentOptions());
      await agent.ready;
      const { principal } = await agent.call<{ principal: string }>('whoami');
      agent.close();
      return principal;
    },
    { broker, host },
  );
  expect(principal).toContain('harness');
});

it('a request of a page to another machine is reported and fails', async () => {
  const { context } = await openTab(`${inject('pages')}/app`);
  const page = await context.newPage();
  const faults = watchPage(page, [/^console: expected/]);
  await page.goto(`${inject('pages')}/app`);
  const outcome = await page.evaluate(() => fetch('http://elsewhere.example/').then(String, String));
  expect(outcome).toContain('TypeError');
  await page.evaluate(() => {
    console.error('expected');
    console.error('a fault');
    setTimeout(() => {
      throw new Error('thrown');
    });
    new WebSocket('ws://elsewhere.example/');
  });
  await eventually(() => {
    for (const fault of [
      'requested http://elsewhere.example/',
      'requested ws://elsewhere.example/',
      'console: a fault',
      'not caught: Error: thrown',
    ])
      expect(faults).toContainEqual(expect.stringContaining(fault));
  });
  expect(faults.join()).not.toContain('console: expected');
});
