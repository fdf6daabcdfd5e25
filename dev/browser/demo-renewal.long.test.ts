import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { expect, it } from 'vitest';
import { answers, connect, demoUrl, getTicket, openDemo, press } from './demo-person.ts';
import { openTab } from './tab.ts';

/** Long: the shortest sign-in of the stand-in is a minute, and the agent warns half way through. */
it('a session is renewed in band, with a later end once there is a longer sign-in', async () => {
  const tab = await openDemo('Dev', { duration: 'a minute' });
  const { page } = tab;
  await getTicket(page, 'demo-renewal');
  const card = await connect(page);
  expect(await card.locator('.session-text').innerText()).toMatch(/goes on for \d\d seconds/);
  // The page lists its sessions again after a connection; the sign-in may have ended by then.
  await page.locator('#sessions-list li').waitFor();

  // In another window the same person signs in for a day; the cookie is the browser's.
  const { page: other } = await openTab(demoUrl('access'), {
    beside: tab,
    expects: [answers(401, '/me.optional=true')],
  });
  await press(other, 'Sign out', 'link');
  await other.getByLabel('Cloudflare Access').check();
  await press(other, 'Sign in with Access', 'link');
  await press(other, /^Dev\b/);
  await other.getByText('You are dev@example.com').waitFor();

  // The first window gets a warning after half of the time, and its ticket provider renews.
  const events = card.locator('.session-events');
  await events.getByText(/The session ends soon/).waitFor();
  await events.getByText(/^.*Renewed: the session now ends at/).waitFor();
  expect(await card.locator('.session-text').innerText()).toMatch(/goes on for 60 minutes/);
  await tab.screenshot('demo-renewed');
  await card.getByRole('button', { name: 'Renew now' }).click();
  await eventually(async () => expect(await events.getByText('Renewed').count()).toBe(2));
});
