import { runInDurableObject } from 'cloudflare:test';
import { beforeEach, describe, expect, test } from 'vitest';
import type { VerifiedCallback } from '../src/gate/callback.ts';
import { isBlank } from '../src/ticketed/destruction.ts';
import {
  delivery,
  front,
  githubHeaders,
  hooked,
  newSecond,
  odd,
  pathOf,
  reasons,
  receivedBy,
  stripeHeaders,
} from './callbacks.ts';
import { eventsOf } from './record.ts';
import { makeTicket, newInstance } from './tickets.ts';
import { printed } from './watch.ts';

/** Callbacks that the app verifies: what a stranger sends, and what an app's verification may answer. */

type Headers = Record<string, string>;
const post = (instance: string, name: string, body: string, headers: Headers): Request =>
  new Request(pathOf(instance, name), { method: 'POST', body, headers });

/** An instance that its owner has opened. */
async function opened(): Promise<string> {
  const instance = newInstance();
  await runInDurableObject(hooked(instance), (agent) => agent.callbackUrl('token'));
  return instance;
}
const ticketOf = (instance: string) =>
  makeTicket({ agent: 'hooked', instance, scope: 'agent:connect agent:state:read agent:message' });

type Row = readonly [
  what: string,
  status: number,
  reason: string,
  make: (instance: string) => Promise<Request>,
];
let now: number;
beforeEach(() => {
  now = newSecond();
});

const REFUSED = 'callback_refused';
const github =
  (change: (signed: Headers, body: string, instance: string) => Headers | Promise<Headers>, sent?: string) =>
  async (instance: string): Promise<Request> => {
    const body = delivery(instance);
    return post(instance, 'github', sent ?? body, await change(await githubHeaders(body), body, instance));
  };
const stripe =
  (sign: (body: string, instance: string) => Promise<Headers>) =>
  async (instance: string): Promise<Request> => {
    const body = delivery(instance);
    return post(instance, 'stripe', body, await sign(body, instance));
  };

const ATTACKS: readonly Row[] = [
  ['no signature', 401, REFUSED, github(() => ({}))],
  ['an empty signature', 401, REFUSED, github(() => ({ 'x-hub-signature-256': '' }))],
  ["another secret's signature", 401, REFUSED, github((_, body) => githubHeaders(body, 'guess'))],
  ['the signature of another body', 401, REFUSED, github((signed) => signed, '{"repository":{"name":"x"}}')],
  [
    'a body with white space more',
    401,
    REFUSED,
    async (instance) => {
      const body = delivery(instance);
      return post(instance, 'github', `${body} `, await githubHeaders(body));
    },
  ],
  [
    'a signature without its scheme',
    401,
    REFUSED,
    github((signed) => ({ 'x-hub-signature-256': signed['x-hub-signature-256']?.slice(7) ?? '' })),
  ],
  [
    'the older header',
    401,
    REFUSED,
    github((signed) => ({ 'x-hub-signature': signed['x-hub-signature-256'] ?? '' })),
  ],
  [
    'the token of another callback in place of a signature',
    401,
    REFUSED,
    async (instance) => {
      const url = await runInDurableObject(hooked(instance), (agent) => agent.callbackUrl('token'));
      return new Request(pathOf(instance, 'github') + new URL(url).search, { method: 'POST', body: 'x' });
    },
  ],
  [
    'a body that was signed for another instance',
    403,
    'callback_instance_wrong',
    async (instance) => {
      const body = delivery(await opened());
      return post(instance, 'github', body, await githubHeaders(body));
    },
  ],
  [
    'a body that was signed for its instance in capitals',
    403,
    'callback_instance_wrong',
    async (instance) => {
      const body = delivery(instance.toUpperCase());
      return post(instance, 'github', body, await githubHeaders(body));
    },
  ],
  [
    "a body that another sender's secret signed",
    401,
    REFUSED,
    async (instance) => {
      const body = delivery(instance);
      return post(instance, 'github', body, await stripeHeaders(body));
    },
  ],
  [
    'a ticket beside its signature',
    400,
    'callback_ambiguous',
    github(async (signed, _, instance) => ({
      ...signed,
      authorization: `Bearer ${await ticketOf(instance)}`,
    })),
  ],
  [
    'a ticket in place of its signature',
    400,
    'callback_ambiguous',
    github(async (_signed, _body, instance) => ({ authorization: `Bearer ${await ticketOf(instance)}` })),
  ],
  [
    'another method',
    405,
    'method_not_allowed',
    async (instance) => {
      const body = delivery(instance);
      const headers = await githubHeaders(body);
      return new Request(pathOf(instance, 'github'), { method: 'PUT', body, headers });
    },
  ],
  [
    'an upgrade',
    401,
    'ticket_missing',
    async (instance) =>
      new Request(pathOf(instance, 'github'), {
        headers: { upgrade: 'websocket', accept: 'application/json', ...(await githubHeaders('')) },
      }),
  ],
  [
    'a body of more than 64 KiB',
    413,
    'body_too_large',
    async (instance) => {
      const body = delivery(instance, { filler: 'x'.repeat(64 * 1024) });
      return post(instance, 'github', body, await githubHeaders(body));
    },
  ],
  [
    'a body that breaks off',
    400,
    'body_incomplete',
    async (instance) => {
      const body = new ReadableStream({ start: (controller) => controller.error(new Error('gone')) });
      return new Request(pathOf(instance, 'github'), {
        method: 'POST',
        body,
        headers: await githubHeaders(''),
      });
    },
  ],
  ['an old signature with a time', 401, REFUSED, stripe((body) => stripeHeaders(body, now - 301))],
  ['a signature with a time to come', 401, REFUSED, stripe((body) => stripeHeaders(body, now + 301))],
  [
    'another time than was signed',
    401,
    REFUSED,
    stripe(async (body) => {
      const { 'stripe-signature': signed = '' } = await stripeHeaders(body, now - 400);
      return { 'stripe-signature': signed.replace(/t=\d+/, `t=${now}`) };
    }),
  ],
  ['a time without a signature', 401, REFUSED, stripe(async () => ({ 'stripe-signature': `t=${now}` }))],
  [
    'another scheme of signature',
    401,
    REFUSED,
    stripe(async (body) => {
      const { 'stripe-signature': signed = '' } = await stripeHeaders(body);
      return { 'stripe-signature': signed.replace('v1=', 'v0=') };
    }),
  ],
  [
    'an event for another instance',
    403,
    'callback_instance_wrong',
    async (instance) => {
      const body = delivery(await opened());
      return post(instance, 'stripe', body, await stripeHeaders(body));
    },
  ],
];

test.for(ATTACKS)('a signed callback with %s is refused: %d %s', async ([, status, reason, make]) => {
  const instance = await opened();
  const answer = await front(await make(instance));
  expect([answer.status, reasons()]).toEqual([status, [reason]]);
  expect(await receivedBy(instance)).toEqual([]);
  expect(await eventsOf(instance)).toEqual([]);
  const body = delivery(instance);
  expect((await front(post(instance, 'github', body, await githubHeaders(body)))).status).toBe(200);
});

describe('a delivery that was handled', () => {
  test('is not handled again, with whatever new time and signature', async () => {
    const instance = await opened();
    const body = delivery(instance);
    for (let n = 0; n < 3; n += 1) {
      now = newSecond();
      expect((await front(post(instance, 'stripe', body, await stripeHeaders(body)))).status).toBe(200);
    }
    const other = delivery(instance, { other: 'words, the same event' });
    expect((await front(post(instance, 'stripe', other, await stripeHeaders(other)))).status).toBe(200);
    expect(await receivedBy(instance)).toHaveLength(1);
  });

  test('by one callback is new for another', async () => {
    const instance = await opened();
    const body = delivery(instance);
    expect((await front(post(instance, 'stripe', body, await stripeHeaders(body)))).status).toBe(200);
    expect((await front(post(instance, 'github', body, await githubHeaders(body)))).status).toBe(200);
    expect(await receivedBy(instance)).toHaveLength(2);
  });

  test('stays handled when the object has slept', async () => {
    const instance = await opened();
    const body = delivery(instance);
    const send = async () => (await front(post(instance, 'github', body, await githubHeaders(body)))).status;
    expect(await send()).toBe(200);
    await runInDurableObject(hooked(instance), (_, { storage }) => storage.deleteAll());
    expect(await send()).toBe(200);
    expect(await receivedBy(instance)).toHaveLength(1);
  });
});

describe('a verification', () => {
  const right = (instance: string): VerifiedCallback => ({ principal: 'odd:1', instance, once: '1' });

  test.for<readonly [string, number, string | undefined, (instance: string) => unknown]>([
    ['is right', 200, undefined, right],
    ['is right later', 200, undefined, async (instance) => right(instance)],
    ['refuses', 401, REFUSED, () => undefined],
    ['refuses later', 401, REFUSED, async () => undefined],
    ['says yes', 503, 'callback_unverified', () => true],
    ['says null', 503, 'callback_unverified', () => null],
    ['says no instance', 503, 'callback_unverified', () => ({ principal: 'odd:1', once: '1' })],
    ['says no principal', 503, 'callback_unverified', (instance) => ({ instance, once: '1' })],
    ['says a name for a principal', 503, 'callback_unverified', (i) => ({ ...right(i), principal: 'Ann' })],
    ['says more', 503, 'callback_unverified', (instance) => ({ ...right(instance), role: 'owner' })],
    ['says an empty id', 503, 'callback_unverified', (instance) => ({ ...right(instance), once: '' })],
    ['says a long id', 503, 'callback_unverified', (i) => ({ ...right(i), once: 'x'.repeat(1025) })],
    [
      'throws',
      503,
      'callback_unverified',
      () => {
        throw new Error('PRIVATE words of the app');
      },
    ],
    ['rejects', 503, 'callback_unverified', () => Promise.reject(new Error('PRIVATE words of the app'))],
  ])('that %s answers %d', async ([, status, reason, verify]) => {
    const instance = await opened();
    odd.verify = () => verify(instance);
    const answer = await front(post(instance, 'odd', 'body', {}));
    expect([answer.status, reasons()]).toEqual([status, reason === undefined ? [] : [reason]]);
    expect(await receivedBy(instance)).toHaveLength(status === 200 ? 1 : 0);
    expect(`${await answer.text()}${printed.join('\n')}`).not.toContain('PRIVATE');
  });

  test('has the bytes, a request to read, and where it says to go', async () => {
    const instance = await opened();
    let seen: unknown;
    odd.verify = async ({ request, bytes, agent, instance: at, env }) => {
      seen = [
        await request.text(),
        bytes.length,
        request.headers.get('x-own'),
        agent,
        at,
        'RECORD' in Object(env),
      ];
      return right(instance);
    };
    expect((await front(post(instance, 'odd', 'body', { 'x-own': '1' }))).status).toBe(200);
    expect(seen).toEqual(['body', 4, '1', 'hooked', instance, true]);
  });

  test('may use an Authorization of the sender, which the agent never sees', async () => {
    const instance = await opened();
    odd.verify = ({ request }) =>
      request.headers.get('authorization') === 'Bearer eyJhbGciOiJSUzI1NiJ9.e30.AAAA'
        ? right(instance)
        : undefined;
    const headers = { authorization: 'Bearer eyJhbGciOiJSUzI1NiJ9.e30.AAAA' };
    expect((await front(post(instance, 'odd', 'body', headers))).status).toBe(200);
    expect((await receivedBy(instance))[0]?.headers).not.toHaveProperty('authorization');
  });

  test('of a request without a body names the delivery', async () => {
    const instance = await opened();
    odd.verify = () => ({ principal: 'odd:1', instance });
    const get = () => front(new Request(pathOf(instance, 'odd')));
    expect([(await get()).status, reasons()]).toEqual([503, ['callback_unverified']]);
    odd.verify = () => right(instance);
    expect((await get()).status).toBe(200);
    expect(await receivedBy(instance)).toHaveLength(1);
  });
});

describe('an instance that nobody has opened', () => {
  test('answers a signed callback 404, and has nothing stored afterwards', async () => {
    const instance = newInstance();
    const first = await runInDurableObject(hooked(instance), (agent) => agent);
    const body = delivery(instance);
    const answer = await front(post(instance, 'github', body, await githubHeaders(body)));
    expect([answer.status, reasons()]).toEqual([404, ['callback_instance_unknown']]);
    await expect
      .poll(() => runInDurableObject(hooked(instance), (agent, state) => agent !== first && isBlank(state)))
      .toBe(true);
    expect(await eventsOf(instance)).toEqual([]);
  });

  test('answers it once its owner has opened it', async () => {
    const instance = newInstance();
    const body = delivery(instance);
    const send = async () => (await front(post(instance, 'github', body, await githubHeaders(body)))).status;
    expect(await send()).toBe(404);
    const headers = { authorization: `Bearer ${await ticketOf(instance)}` };
    await expect
      .poll(async () => (await front(new Request(`${pathOf(instance, 'x')}`, { headers }))).status)
      .toBe(200);
    expect(await send()).toBe(200);
  });

  test('keeps what the worker’s own code wrote into it', async () => {
    const instance = newInstance();
    await runInDurableObject(hooked(instance), (agent) => agent.setState({ secret: 1 }));
    const body = delivery(instance);
    expect((await front(post(instance, 'github', body, await githubHeaders(body)))).status).toBe(404);
    expect(await runInDurableObject(hooked(instance), (agent) => agent.state)).toEqual({ secret: 1 });
  });

  test('since it was destroyed answers 404 to a URL that was good before', async () => {
    const instance = await opened();
    const url = await runInDurableObject(hooked(instance), (agent) => agent.callbackUrl('token'));
    await runInDurableObject(hooked(instance), (agent) => agent.destroy().catch(() => {}));
    const body = delivery(instance);
    await expect
      .poll(async () => (await front(post(instance, 'github', body, await githubHeaders(body)))).status)
      .toBe(404);
    expect((await front(new Request(url, { method: 'POST', body: 'x' }))).status).toBe(404);
    newSecond();
    const later = { authorization: `Bearer ${await ticketOf(instance)}` };
    for (let n = 0; n < 10; n += 1) newSecond();
    await front(new Request(pathOf(instance, 'x'), { headers: later }));
    expect((await front(new Request(url, { method: 'POST', body: 'x' }))).status).toBe(404);
  });
});
