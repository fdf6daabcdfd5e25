import { runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { withDefaults } from '@agent-ticket/shared/registry.ts';
import { base64url } from 'jose';
import { beforeEach, describe, expect, test } from 'vitest';
import { createCallbackTokens } from '../src/callback-token.ts';
import type { GatePorts } from '../src/gate.ts';
import { createRates } from '../src/ticketed/limits.ts';
import {
  delivery,
  front,
  githubHeaders,
  HOOKS,
  hooked,
  newSecond,
  pathOf,
  post,
  reasons,
  receivedBy,
  urlOf,
} from './callbacks.ts';
import { cutoff, lock, recordRevocation, revoke } from './commands.ts';
import { gateConfig, gateWith } from './gate.ts';
import { newInstance } from './tickets.ts';

/** How often a callback may come, how long it may take, and what ends its rights. */

beforeEach(() => void newSecond());

const from = (address: string) => ({ 'cf-connecting-ip': address });
const bad = (url: string) => url.replace('acb_v1', 'acb_v9');

describe('the limit of a callback', () => {
  test('refuses an address after so many refused ones, whatever instance it tries', async () => {
    const good = await urlOf(newInstance(), 'rare');
    for (let n = 0; n < 3; n += 1)
      expect((await post(bad(await urlOf(newInstance(), 'rare')), 'x', from('203.0.113.1'))).status).toBe(
        401,
      );
    const limited = await post(good, 'x', from('203.0.113.1'));
    expect([limited.status, limited.headers.get('retry-after')]).toEqual([429, '20']);
    expect((await post(good, 'x', from('203.0.113.2'))).status).toBe(200);
  });

  test('takes an IPv6 network for one address', async () => {
    const url = await urlOf(newInstance(), 'rare');
    const statuses: number[] = [];
    for (let n = 0; n < 4; n += 1) statuses.push((await post(bad(url), 'x', from(`2001:db8::${n}`))).status);
    expect(statuses).toEqual([401, 401, 401, 429]);
  });

  test('refuses an instance more than so many, and no other instance', async () => {
    const instance = newInstance();
    const [url, same] = [await urlOf(instance, 'rare'), await urlOf(instance, 'rare')];
    const statuses: number[] = [];
    for (const each of [url, same, url, same])
      statuses.push((await post(each, 'x', from('203.0.113.3'))).status);
    expect(statuses).toEqual([200, 200, 200, 429]);
    expect(await receivedBy(instance)).toHaveLength(3);
    expect((await post(await urlOf(newInstance(), 'rare'), 'x', from('203.0.113.3'))).status).toBe(200);
  });

  test('does not count admitted requests of an address', async () => {
    for (let n = 0; n < 6; n += 1)
      expect((await post(await urlOf(newInstance(), 'rare'), 'x', from('203.0.113.4'))).status).toBe(200);
  });

  test('counts again what its instance may not have', async () => {
    const url = await urlOf(newInstance(), 'rare');
    const reads: string[] = [];
    const statuses: number[] = [];
    const limited = gateOf({
      listRevoked: async () => {
        reads.push('read');
        return [];
      },
    });
    for (let n = 0; n < 9; n += 1)
      statuses.push((await limited(new Request(url, { method: 'POST', body: 'x' }))).status);
    expect(statuses.filter((status) => status === 429)).toHaveLength(6);
    // Three that were let in, and three by which the address was used up.
    expect(reads).toHaveLength(6);
  });

  test('is over in its time', async () => {
    const url = await urlOf(newInstance(), 'rare');
    const header = from('203.0.113.5');
    for (let n = 0; n < 3; n += 1) await post(bad(url), 'x', header);
    for (let n = 0; n < 19; n += 1) newSecond();
    expect((await post(url, 'x', header)).status).toBe(429);
    newSecond();
    expect((await post(url, 'x', header)).status).toBe(200);
  });
});

const KEY = 'Y2FsbGJhY2tzY2FsbGJhY2tzY2FsbGJhY2tzY2FsbGI';
/** The gate of these agents with ports of a test. */
const gateOf = (other: Partial<GatePorts> = {}) =>
  gateWith({
    registry: HOOKS,
    config: { ...gateConfig, audience: 'agents.test' },
    destination: ({ instance }) => env.HOOKED.getByName(instance),
    callbacks: {
      tokens: createCallbackTokens([new Uint8Array(base64url.decode(KEY))]),
      verifiers: new Map([['odd', () => new Promise(() => {})]]),
      rates: createRates(),
    },
    ...other,
  });

describe('a callback that takes long', () => {
  const atOnce = { sleep: async () => {} };

  test('to send its body is refused', async () => {
    const instance = newInstance();
    const url = await urlOf(instance);
    const body = new ReadableStream();
    const answer = await gateOf(atOnce)(new Request(url, { method: 'POST', body }));
    expect(answer.status).toBe(400);
    expect(await receivedBy(instance)).toEqual([]);
  });

  test('to be verified is refused', async () => {
    const instance = newInstance();
    const answer = await gateOf(atOnce)(new Request(pathOf(instance, 'odd')));
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '5']);
    expect(await receivedBy(instance)).toEqual([]);
  });
});

describe('a body', () => {
  test.for([
    [64 * 1024, 200],
    [64 * 1024 + 1, 413],
  ])('of %d bytes is answered %d', async ([length, status]) => {
    const instance = newInstance();
    const answer = await post(await urlOf(instance), 'x'.repeat(length ?? 0));
    expect(answer.status).toBe(status);
    expect(await receivedBy(instance)).toHaveLength(status === 200 ? 1 : 0);
  });

  test('of a false length is counted', async () => {
    const body = new ReadableStream({
      start(controller) {
        for (let n = 0; n < 65; n += 1) controller.enqueue(new Uint8Array(1024));
        controller.close();
      },
    });
    const url = await urlOf(newInstance());
    const request = new Request(url, { method: 'POST', body, headers: { 'content-length': '10' } });
    expect((await front(request)).status).toBe(413);
  });

  test('is no longer than the agent takes', async () => {
    const [entry] = HOOKS;
    const limits = { ...entry.limits, bodyBytes: 10 };
    const small = gateOf({ registry: [withDefaults({ ...entry, limits })] });
    const url = await urlOf(newInstance());
    const status = async (body: string) => (await small(new Request(url, { method: 'POST', body }))).status;
    expect([await status('x'.repeat(10)), await status('x'.repeat(11))]).toEqual([200, 413]);
  });
});

describe('a revocation', () => {
  /** Of the token in a URL. */
  const idOf = (url: string): string => url.split('.')[3] ?? '';

  test.for<readonly [string, (instance: string, url: string) => string]>([
    ['its URL', (_, url) => `callback:${idOf(url)}`],
    ['its instance', (instance) => `instance:hooked/${instance}`],
    ['its callback', () => 'principal:callback:token'],
    ['its agent', () => 'agent:hooked'],
    ['everything', () => 'everything:'],
  ])('of %s refuses a callback, and is over with its lift', async ([, target]) => {
    const instance = newInstance();
    const url = await urlOf(instance);
    const name = target(instance, url);
    await recordRevocation(lock(name));
    expect([(await post(url)).status, reasons()]).toEqual([403, ['locked']]);
    expect(await receivedBy(instance)).toEqual([]);
    await recordRevocation(lock(name, { rev: lock(name).rev + 1, until: 1 }));
    expect((await post(url)).status).toBe(200);
  });

  test.for<readonly [string, (instance: string) => string]>([
    ['another URL', () => `callback:${crypto.randomUUID()}`],
    ['another instance', () => `instance:hooked/${newInstance()}`],
    ['another callback', () => 'principal:callback:other'],
    ['another agent', () => 'agent:witness'],
  ])('of %s refuses no callback', async ([, target]) => {
    const instance = newInstance();
    await recordRevocation(lock(target(instance)));
    expect((await post(await urlOf(instance))).status).toBe(200);
  });

  test('of tickets from before refuses no callback, since no decision is behind one', async () => {
    const instance = newInstance();
    await recordRevocation(cutoff(`instance:hooked/${instance}`));
    expect((await post(await urlOf(instance))).status).toBe(200);
  });

  test('of the sender that the app found refuses a signed one', async () => {
    const instance = newInstance();
    const url = await urlOf(instance, 'github');
    const body = delivery(instance);
    await recordRevocation(lock('principal:github:acme'));
    expect((await post(url, body, await githubHeaders(body))).status).toBe(403);
    await recordRevocation(lock('principal:github:acme', { rev: lock('x').rev + 1, until: 1 }));
  });

  test('that only the object knows refuses a callback', async () => {
    const instance = newInstance();
    const url = await urlOf(instance);
    await revoke(hooked(instance), lock(`instance:hooked/${instance}`));
    expect((await post(url)).status).toBe(403);
    expect(await receivedBy(instance)).toEqual([]);
  });

  test('that cannot be read lets nothing in', async () => {
    const instance = newInstance();
    const url = await urlOf(instance);
    const away = gateOf({
      listRevoked: async () => {
        throw new Error('D1_ERROR: Network connection lost.');
      },
    });
    const answer = await away(new Request(url, { method: 'POST', body: 'x' }));
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '5']);
    expect(await receivedBy(instance)).toEqual([]);
  });
});

test('a stream of the agent is cut, and nobody gets a part of it', async () => {
  const instance = newInstance();
  const url = await urlOf(instance);
  await runInDurableObject(hooked(instance), (agent) => {
    agent.floods = true;
  });
  expect((await post(url, 'stream')).status).toBe(500);
  await expect.poll(() => runInDurableObject(hooked(instance), (agent) => agent.cancelled)).toBe(1);
});
