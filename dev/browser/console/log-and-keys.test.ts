import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { expect, inject, it } from 'vitest';
import { askForTicket, asOperator, mint, throughAccess } from '../../e2e/broker.ts';
import { connected } from '../../e2e/sockets.ts';
import { runScheduled, sessionsOf } from '../../e2e/stack-queries.ts';
import { confirm, openConsole, row } from './open-console.ts';

it('a refusal is found by the request id that the person quotes', async () => {
  const refused = await askForTicket(
    { instance: 'console-refused', scope: 'agent:rpc:reset' },
    await throughAccess({ email: 'dev@example.com' }),
  );
  expect(refused.status).toBe(403);
  const id = refused.headers.get('x-request-id') ?? '';
  const { page } = await openConsole('Otto', 'audit');
  await page.getByLabel('Request').fill(id);
  await page.getByRole('button', { name: 'Show' }).click();
  const denied = row(page, 'ticket.denied');
  await eventually(async () =>
    expect([await denied.count(), await page.getByRole('row').count()]).toEqual([1, 2]),
  );
  await denied.getByRole('button', { name: /^Details/ }).click();
  expect(await page.getByRole('dialog').innerText()).toContain(id);
});

it('the whole log is exported, verified in the page, and a changed event is found', async () => {
  const { page } = await openConsole('Olga', 'audit');
  const { folder } = inject('testStack');
  const path = join(folder, 'exported.ndjson');
  await runScheduled();
  await page.getByText('Export and verify the whole log').click();
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'Export to a file' }).click(),
  ]);
  await download.saveAs(path);
  await page.getByText(/\d events? exported\./).waitFor();

  await page.getByRole('button', { name: 'Verify' }).click();
  await page.getByText('The log is sound.').waitFor();

  const lines = (await readFile(path, 'utf8')).split('\n');
  const first = lines.findIndex((line) => /login\.succeeded.*olga/.test(line));
  const changed = join(folder, 'changed.ndjson');
  await writeFile(changed, lines.with(first, (lines[first] ?? '').replace('olga', 'otto')).join('\n'));
  await page.getByLabel('File of an earlier export').setInputFiles(changed);
  await page.getByRole('button', { name: 'Verify' }).click();
  await page.getByText('The log is not sound.').waitFor();
  await page.getByText(/are not what checkpoint \d+ signed/).waitFor();
});

it('a session shows its calls and events, and its end as it happens', async () => {
  const { ticket } = await mint({ instance: 'console-one' });
  const client = await connected('counter', 'console-one', { query: { ticket } });
  await client.call('increment');
  const tab = await openConsole('Olga', 'sessions?agent=counter&instance=console-one');
  const { page } = tab;
  await row(page, 'console-one').getByRole('link').first().click();
  await row(page, 'increment').waitFor();
  await row(page, 'session.opened').waitFor();
  await tab.screenshot('console-session');
  client.close();
  await page.getByText(/^ended/).waitFor();
});

it('an ended session is asked for once, and so are its events', async () => {
  const { ticket } = await mint({ instance: 'console-ended' });
  const client = await connected('counter', 'console-ended', { query: { ticket } });
  client.close();
  const ended = await eventually(async () => {
    const [session] = await sessionsOf('counter', 'console-ended');
    expect(session?.ended_at).toEqual(expect.any(Number));
    return session;
  });
  const { page } = await openConsole('Olga', 'locks');
  await page.getByRole('heading', { name: 'Locks' }).waitFor();
  await page.clock.install();
  const asked: string[] = [];
  page.on('request', (request) => asked.push(new URL(request.url()).pathname));
  await page.evaluate((id) => {
    location.hash = `session?id=${id}`;
  }, ended?.id);
  await row(page, 'session.opened').waitFor();
  await page.clock.runFor(10_000);
  // What the page asked for before this is known after it.
  await page.evaluate(() => fetch('healthz'));
  expect(asked.filter((path) => /sessions|audit/.test(path))).toEqual([
    `/admin/agents/sessions/${ended?.id}`,
    '/admin/agents/audit',
  ]);
});

it('the picture of the ticket keys never stands for those of the audit log', async () => {
  const { page, context } = await openConsole('Otto', 'keys', { expects: [/ERR_INTERNET_DISCONNECTED/] });
  const picture = page.getByRole('img', { name: /^Keys over time/ });
  await picture.waitFor();
  await context.setOffline(true);
  await page.getByRole('link', { name: 'Of the audit log' }).click();
  await page.getByText('The broker cannot be reached').waitFor();
  expect(await picture.count()).toBe(0);
});

it('a verification of a file stops when it is told to', async () => {
  const { page } = await openConsole('Otto', 'audit');
  await page.getByText('Export and verify the whole log').click();
  const path = join(inject('testStack').folder, 'long.ndjson');
  await writeFile(path, `${'{"event":"of no log"}\n'.repeat(2_000_000)}`);
  await page.getByLabel('File of an earlier export').setInputFiles(path);
  await page.getByRole('button', { name: 'Verify' }).click();
  await page.getByText(/^Verifying: [1-9]/).waitFor();
  await page.getByRole('button', { name: 'Stop' }).click();
  await page.getByText(/^Verifying/).waitFor({ state: 'detached' });
  expect(await page.getByText(/^The log is/).count()).toBe(0);
});

it('keys rotate on schedule, and a second rotation meanwhile is refused with its reason', async () => {
  const tab = await openConsole('Olga', 'keys?purpose=audit', { expects: [/409/] });
  const { page } = tab;
  await row(page, 'active').waitFor();
  await page.getByRole('button', { name: 'Rotate …' }).click();
  expect(await confirm(page, { Reason: 'an exercise' })).toMatch(/^Key .* signs from/);
  await row(page, 'pending').waitFor();
  await tab.screenshot('console-keys-pending');
  const second = await fetch(`${inject('stack').broker}/admin/keys/rotate`, {
    method: 'POST',
    headers: { ...asOperator(), 'content-type': 'application/json' },
    body: JSON.stringify({ purpose: 'audit' }),
  });
  expect(second.status).toBe(409);
  await page.getByRole('button', { name: 'Rotate …' }).click();
  await page.getByRole('dialog').getByLabel('Reason').fill('again');
  await page.getByRole('dialog').getByRole('button', { name: 'Rotate', exact: true }).click();
  await page.getByRole('dialog').getByText('Something changed meanwhile').waitFor();
});

it('a decision is explained rule by rule, for another principal', async () => {
  const principal = encodeURIComponent('auth0:dev-tenant.auth.test:auth0|nobody');
  const { page } = await openConsole('Olga', `explain?principal=${principal}`);
  await page.getByLabel('Agent').fill('counter');
  await page.getByLabel('Scope').fill('agent:rpc:reset');
  await page.getByRole('button', { name: 'Explain' }).click();
  await page.getByRole('heading', { name: 'Refused' }).waitFor();
  const rules = page.getByRole('listitem').filter({ hasText: 'does not hold' });
  expect(await rules.innerText()).toContain('the scope lies within the role');
  const [again] = await Promise.all([
    page.waitForResponse(/\/explain$/),
    page.getByRole('button', { name: 'Explain' }).click(),
  ]);
  expect(again.status()).toBe(200);
  await page.getByText(/^As of/).waitFor();
});
