import { runInDurableObject } from 'cloudflare:test';
import { describe, expect, test } from 'vitest';
import {
  delivery,
  githubHeaders,
  hooked,
  pathOf,
  post,
  receivedBy,
  stripeHeaders,
  urlOf,
} from './callbacks.ts';
import { eventsOf, expectEvents } from './record.ts';
import { newInstance } from './tickets.ts';
import { printed } from './watch.ts';

/** Requests that reach an agent without a ticket, through the real gate and mixin. */

describe('a webhook', () => {
  test('with a token in its URL reaches the agent once, as its callback and no more', async () => {
    const instance = newInstance();
    const url = await urlOf(instance);
    const answer = await post(url);
    expect([answer.status, await answer.text()]).toEqual([200, 'thanks']);
    expect(await receivedBy(instance)).toMatchObject([
      {
        method: 'POST',
        path: 'hooks/token',
        body: 'hello',
        principal: {
          principal: 'callback:token',
          role: 'viewer',
          tier: 'free',
          scope: ['agent:callback:token'],
        },
      },
    ]);
    const [event] = await expectEvents(instance, ['callback.used']);
    expect(event).toMatchObject({ user_id: 'callback:token', outcome: 'success', session_id: null });
    const [, , id, , mac = 'none'] = new URL(url).searchParams.get('callback_token')?.split('.') ?? [];
    expect(JSON.parse(event?.details ?? '')).toEqual({ callback: id });
    // Of the token only its id is anywhere.
    const rows = await runInDurableObject(hooked(instance), (_, { storage }) =>
      JSON.stringify([
        storage.sql.exec('SELECT * FROM ticket_callbacks').toArray(),
        storage.sql.exec('SELECT * FROM ticket_backlog').toArray(),
        [...storage.kv.list()],
      ]),
    );
    expect(rows).toContain(id);
    for (const text of [rows, JSON.stringify(await receivedBy(instance)), printed.join('\n')])
      expect(text).not.toContain(mac);
  });

  test.for([
    ['github', githubHeaders, 'github:acme'],
    ['stripe', stripeHeaders, 'stripe:acct_1'],
  ] as const)('signed in the way of %s reaches the agent once', async ([name, sign, sender]) => {
    const instance = newInstance();
    const url = await urlOf(instance, name);
    expect(url).toBe(pathOf(instance, name));
    const body = delivery(instance);
    const answers = [
      await post(url, body, await sign(body)),
      // As a sender does that did not get the first answer.
      await post(url, body, await sign(body)),
    ];
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    expect(await answers[1]?.text()).toBe('');
    expect(await receivedBy(instance)).toMatchObject([
      { path: `hooks/${name}`, body, principal: { principal: `callback:${name}` } },
    ]);
    const [event] = await expectEvents(instance, ['callback.used']);
    expect(JSON.parse(event?.details ?? '')).toEqual({ sender });
  });

  test('that the agent did not handle may come again until it did', async () => {
    const instance = newInstance();
    const url = await urlOf(instance, 'github');
    const refused = delivery(instance, { id: 'refuse' });
    await runInDurableObject(hooked(instance), (agent) => {
      agent.answers = [409, 500, 200];
    });
    const statuses: number[] = [];
    for (let n = 0; n < 4; n += 1)
      statuses.push((await post(url, refused, await githubHeaders(refused))).status);
    expect(statuses).toEqual([409, 500, 200, 200]);
    expect(await receivedBy(instance)).toHaveLength(3);
  });

  test('that comes again while it is handled is sent away, to come later', async () => {
    const instance = newInstance();
    const url = await urlOf(instance, 'github');
    const body = delivery(instance);
    await runInDurableObject(hooked(instance), (agent) => {
      agent.waits = true;
    });
    const first = post(url, body, await githubHeaders(body));
    await expect.poll(() => receivedBy(instance)).toHaveLength(1);
    const second = await post(url, body, await githubHeaders(body));
    expect([second.status, second.headers.get('retry-after')]).toEqual([503, '1']);
    await runInDurableObject(hooked(instance), (agent) => agent.release());
    expect((await first).status).toBe(200);
    expect(await receivedBy(instance)).toHaveLength(1);
  });
});

describe('the answer to a callback', () => {
  test('has the headers that keep its URL secret, over those of the agent', async () => {
    const answer = await post(await urlOf(newInstance()), 'headers');
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
      'x-own': '1',
    });
  });

  test.for([
    ['redirect', 302],
    ['refuse', 409],
    ['largest', 200],
    ['too large', 500],
    ['throw', 500],
  ] as const)('of an agent that is told "%s" has the status %d', async ([body, status]) => {
    const answer = await post(await urlOf(newInstance()), body);
    expect(answer.status).toBe(status);
    if (status === 500) expect(await answer.text()).not.toMatch(/PRIVATE|hooked/);
  });
});

describe('a URL of a callback', () => {
  test('is another one with each call, and all of them are good', async () => {
    const instance = newInstance();
    const urls = [await urlOf(instance), await urlOf(instance), await urlOf(instance, 'other')];
    expect(new Set(urls).size).toBe(3);
    for (const url of urls) expect((await post(url)).status).toBe(200);
    expect((await receivedBy(instance)).map(({ path }) => path)).toEqual([
      'hooks/token',
      'hooks/token',
      'hooks/other',
    ]);
  });

  test.for([
    ['a name that the registry does not have', 'nothing', {}],
    ['a name of another agent', 'chat', {}],
    ['no time', 'token', { expiresIn: 0 }],
    ['half a second', 'token', { expiresIn: 1.5 }],
    ['two years', 'token', { expiresIn: 2 * 366 * 24 * 3600 }],
  ] as const)('is not made for %s', async ([, name, options]) => {
    await expect(urlOf(newInstance(), name, options)).rejects.toThrow(TypeError);
  });

  test('is made by code that runs on a schedule', async () => {
    const instance = newInstance();
    await runInDurableObject(hooked(instance), (agent) => agent.makeUrl('token'));
    const [url = ''] = await runInDurableObject(hooked(instance), (agent) => agent.urls);
    expect((await post(url)).status).toBe(200);
  });

  test('is one of a thousand at most', async () => {
    const instance = newInstance();
    await runInDurableObject(hooked(instance), async (agent, { storage }) => {
      for (let n = 0; n < 999; n += 1)
        storage.sql.exec('INSERT INTO ticket_callbacks (id, exp) VALUES (?, 9999999999)', String(n));
      await agent.callbackUrl('token');
      await expect(agent.callbackUrl('token')).rejects.toThrow(RangeError);
    });
    expect(await eventsOf(instance)).toEqual([]);
  });
});
