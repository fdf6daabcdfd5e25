import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Apps, startBoth } from '../../e2e/starters/apps.ts';
import { changedLines } from '../../e2e/starters/install.ts';
import { enter } from './enter.ts';

/** An app with tokens of its own in the address, and the same app with tickets in their place. */

let apps: Apps;
beforeAll(async () => {
  apps = await startBoth('auth', [], { SIGNING_SECRET: 'of this machine alone' });
}, 600_000);
afterAll(async () => {
  await Promise.all([apps?.plain.close(), apps?.guarded.close()]);
});

describe.each(['plain', 'guarded'] as const)('the page of the %s app', (kind) => {
  it('opens the diary of a person, and has the written text after a reload', async () => {
    const { page } = await enter(apps[kind], `${apps[kind].url}/`);
    const submit = async (label: string, text: string) => {
      await page.getByLabel(label).fill(text);
      await page.keyboard.press('Enter');
    };
    const open = async () => {
      const opened = page.waitForEvent('websocket');
      await submit('Name', 'alice');
      await (await opened).waitForEvent('framereceived');
    };
    await open();
    await submit('Note', 'rain');
    await page.locator('#notes').getByText('rain').waitFor();
    await page.reload();
    await open();
    await page.locator('#notes').getByText('rain').waitFor();
  });

  it('lets nobody else read it', async () => {
    const diary = new URL('/agents/diary/alice', apps[kind].url);
    expect((await fetch(diary)).status).toBe(401);
    const { stack } = apps[kind];
    if (stack === undefined) {
      const token = await fetch(new URL('/sign-in', diary), { method: 'POST', body: 'bob' });
      const headers = { authorization: `Bearer ${await token.text()}` };
      expect((await fetch(diary, { headers })).status).toBe(403);
      return;
    }
    const { broker, access } = stack.facts;
    const email = 'bob@example.com';
    const made = await fetch(access.tokenUrl, { method: 'POST', body: JSON.stringify({ email }) });
    const { token } = await made.json();
    const refused = await fetch(`${broker}/tickets`, {
      method: 'POST',
      headers: {
        'cf-access-jwt-assertion': token,
        'content-type': 'application/json',
        origin: apps[kind].url,
      },
      body: JSON.stringify({ agent: 'diary', instance: 'alice' }),
    });
    expect(refused.status).toBe(403);
  });
});

it('it is protected by ten lines at most', async () => {
  expect(await changedLines('auth')).toBeLessThanOrEqual(10);
});
