import { expect, inject, it } from 'vitest';
import { mint } from '../e2e/broker.ts';
import { answers, connect, demoUrl, getTicket, openDemo, press } from './demo-person.ts';
import { openTab } from './tab.ts';

it('an anonymous client gets a ticket for the lobby, sees it decoded, and sees it used up', async () => {
  const tab = await openTab(demoUrl());
  const { page } = tab;
  await tab.screenshot('demo-start');
  await press(page, 'Get a ticket');
  await page.getByText(/^Expires in \d+ seconds$/).waitFor();
  const claim = async (name: string): Promise<string> =>
    page.locator('#claims div', { hasText: new RegExp(`^${name}`) }).innerText();
  expect(await claim('agent')).toMatch(/lobby\s+The agent that it opens/);
  expect(await claim('sub')).toContain('anonymous:');
  expect(await claim('scope')).toContain('agent:connect agent:state:read');
  await page.getByText('The other claims, the header').click();
  expect(await page.locator('#header').innerText()).toMatch(/typ\s+agent-ticket\+jwt/);

  const first = await connect(page);
  expect(await page.getByText(/^Used at /).count()).toBe(1);
  expect(await first.locator('.state').innerText()).toContain('Anyone may read this board');
  expect(await first.getByRole('button', { name: 'Disconnect' }).count()).toBe(1);
  expect(await first.getByRole('button', { name: 'Renew now' }).count()).toBe(0);
  await press(page, 'Connect again with the same ticket');
  const second = page.getByRole('listitem').filter({ hasText: 'Connection 2:' });
  await second.getByText('Refused: 3000 ticket_used').waitFor();
  expect(await second.innerText()).toContain('This ticket has opened its one session');
  expect(await second.innerText()).toContain('gets a new ticket and reconnects');
  expect(await first.getByText('Open', { exact: true }).count()).toBe(1);

  await first.getByRole('button', { name: 'increment()' }).click();
  await first.getByText('increment() was refused: forbidden').waitFor();
  await tab.screenshot('demo-used');
});

it('an anonymous person is asked to sign in for any other agent', async () => {
  const { page } = await openTab(demoUrl(), { expects: [answers(401, '/tickets')] });
  await page.getByLabel('Counter').check();
  await press(page, 'Get a ticket');
  expect(await page.getByRole('alert').innerText()).toMatch(/^401 UNAUTHORIZED.*Sign in in step 1/);
});

it('the ticket travels as a subprotocol or in the address, as chosen, and never in a header of the page’s', async () => {
  const { page } = await openTab(demoUrl());
  expect(await page.getByLabel('Authorization').isDisabled()).toBe(true);
  for (const [way, inAddress] of [
    ['Subprotocol', false],
    ['Query', true],
  ] as const) {
    await press(page, 'Get a ticket');
    await page.getByLabel(way).check();
    const [socket] = await Promise.all([page.waitForEvent('websocket'), connect(page)]);
    expect(socket.url().includes('ticket='), way).toBe(inAddress);
  }
});

it('a viewer by Access counts nothing, an admin at the broker counts, an owner resets', async () => {
  const instance = 'demo-roles';
  const tries = [
    ['Dev', 'access', 'viewer', 'increment() was refused: forbidden', 'reset() was refused: forbidden'],
    ['Bob', 'session', 'admin', 'increment() answered 1', 'reset() was refused: forbidden'],
    ['Alice', 'access', 'owner', 'increment() answered 2', 'reset() answered 0'],
  ] as const;
  for (const [name, way, role, increments, resets] of tries) {
    const { page } = await openDemo(name, { way });
    await getTicket(page, instance);
    const card = await connect(page);
    await card.getByRole('button', { name: 'increment()' }).click();
    await card.getByText(increments).waitFor();
    await card.getByRole('button', { name: 'reset()' }).click();
    await card.getByText(resets).waitFor();
    await card.getByRole('button', { name: 'whoami()' }).click();
    await card.getByText(`"role": "${role}"`).waitFor();
  }
});

it('a refusal is explained by the rules of the broker', async () => {
  const tab = await openDemo('Dev', { expects: [answers(403, '/tickets')] });
  const { page } = tab;
  await page.getByLabel('Scope').selectOption('increment(), which a viewer may not');
  await press(page, 'Get a ticket');
  await page.getByText('Refused, because this does not hold: the scope lies within the role.').waitFor();
  const rules = page.locator('#rules li');
  expect(await rules.last().textContent()).toBe('✗the scope lies within the role: does not hold');
  expect(await rules.first().textContent()).toMatch(/^✓.*: holds$/);
  await tab.screenshot('demo-refused');

  await page.getByLabel('Scope').selectOption('All that my role allows');
  await press(page, 'What may I do?');
  await page.getByText('Allowed, with the role viewer.').waitFor();
});

it('a person ends the session of one window from another', async () => {
  const tab = await openDemo('Bob', { way: 'session' });
  await getTicket(tab.page, 'demo-two-windows');
  const card = await connect(tab.page);
  await tab.page.locator('#sessions-list').getByText('this window').waitFor();

  const [second] = await Promise.all([
    tab.context.waitForEvent('page'),
    press(tab.page, 'Open a second window', 'link'),
  ]);
  await second.getByText('You are bob@example.com').waitFor();
  await second.getByRole('button', { name: /^End counter \/ demo-two-windows, elsewhere/ }).click();
  await second.getByText(/^Ended: its socket was closed in \d+ ms\.$/).waitFor();
  await card.getByText('Ended: 4003 forbidden').waitFor();
  expect(await card.innerText()).toContain('The session was ended from outside');
  await tab.screenshot('demo-ended');
});

it('a ticket that a program got is taken as its whole answer', async () => {
  const { page } = await openTab(demoUrl());
  await page.getByText('Use a ticket that a program got').click();
  await page
    .getByLabel('Ticket', { exact: true })
    .fill(JSON.stringify(await mint({ instance: 'demo-pasted' })));
  await press(page, 'Use this ticket');
  const card = await connect(page);
  await card.getByRole('button', { name: 'increment()' }).click();
  await card.getByText('increment() answered 1').waitFor();
  expect(await card.getByRole('button', { name: 'Renew now' }).count()).toBe(0);
});

it('everything is done with the keyboard alone', async () => {
  const { page } = await openTab(demoUrl());
  // The last thing that the page fills in.
  await page.getByText('That is enough for a public agent').waitFor();
  const focused = (): Promise<string> =>
    page.evaluate(() => {
      const { activeElement: at } = document;
      return at instanceof HTMLInputElement ? at.value || at.id : (at?.textContent?.trim() ?? '');
    });
  const order: string[] = [];
  for (let step = 0; step < 9; step += 1) {
    await page.keyboard.press('Tab');
    order.push(await focused());
  }
  expect(order.map((text) => text.split('\n')[0])).toEqual([
    'The chat, as an app would have it',
    'MCP servers and webhooks',
    'nobody',
    'lobby',
    'main',
    expect.stringContaining('All that my role allows'),
    expect.stringContaining('60 seconds'),
    'Get a ticket',
    'What may I do?',
  ]);
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement as Element).outlineStyle);
  expect(outline).toBe('solid');

  await page.getByLabel('Instance').focus();
  await page.keyboard.press('Enter');
  await page.getByText(/^Expires in \d+ seconds$/).waitFor();
  await page.getByLabel('Subprotocol').focus();
  await page.keyboard.press('ArrowRight');
  expect(await focused()).toBe('query');
  await page.keyboard.press('Enter');
  await page.getByText('Open', { exact: true }).waitFor();
  // Screen readers get the same text.
  expect(await page.locator('#announcement[aria-live]').textContent()).toBe('Connection 1 is open.');
});

it('a phone shows all of it without scrolling sideways', async () => {
  const { page } = await openDemo('Alice');
  await page.setViewportSize({ width: 360, height: 740 });
  await getTicket(page, 'demo-phone');
  await page.getByText('The other claims, the header').click();
  await connect(page);
  const { width, widest } = await page.evaluate(() => ({
    width: document.documentElement.clientWidth,
    widest: document.documentElement.scrollWidth,
  }));
  expect(widest).toBe(width);
});

it('the built page has no person and no address of the stand-in', async () => {
  const { agentWorker, identityProvider } = inject('stack');
  for (const file of ['', 'demo.js', 'demo.css']) {
    const text = await (await fetch(`${agentWorker}/${file}`)).text();
    for (const word of ['alice', 'bob@', 'mallory', '8790', identityProvider, 'stand-in', 'access/token'])
      expect(text.toLowerCase(), `${word} in /${file}`).not.toContain(word);
  }
});

it('the chat is a link away, and leads back', async () => {
  const { page } = await openTab(demoUrl(), { expects: [answers(401, '/tickets')] });
  await press(page, 'The chat, as an app would have it', 'link');
  await page.getByRole('heading', { name: 'Chat', exact: true }).waitFor();
  await press(page, 'Ticket demo', 'link');
  await page.getByRole('heading', { name: 'Agent ticket demo' }).waitFor();
});

it('three presses of the button at the bottom show a ticket, a connection, and a refusal, each in sight', async () => {
  const { page } = await openTab(demoUrl());
  const next = page.getByRole('complementary', { name: 'The next step' });
  const step = async (button: string, shown: string): Promise<void> => {
    await next.getByRole('button', { name: button }).click();
    const result = page.getByText(shown).first();
    await result.waitFor();
    expect(await result.evaluate((element) => element.getBoundingClientRect().top)).toBeGreaterThanOrEqual(0);
  };
  await step('Begin: get a ticket', '3. The ticket, decoded');
  await step('Connect with it', 'Connection 1: lobby');
  await step('Use it again, and see it refused', 'Refused: 3000 ticket_used');
  await next.getByText('Refused, as it should be').waitFor();
});
