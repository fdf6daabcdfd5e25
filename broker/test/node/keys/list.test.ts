import { beforeEach, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { type OperatorBroker, ROOT, startOperatorBroker } from '../admin/operator-broker.ts';
import { bodyOf } from '../answers.ts';
import { NOW } from '../start-broker.ts';

let broker: OperatorBroker;

beforeEach(async () => {
  broker = await startOperatorBroker();
});

const Page = z.object({
  items: z.array(z.object({ kid: z.string(), state: z.string(), revoked_at: z.string().nullable() })),
  next_cursor: z.string().nullable(),
});
const page = async (query = '') =>
  Page.parse(await bodyOf(await broker.call(ROOT, 'GET', `/admin/keys${query}`)));
const states = async (query = '') => (await page(query)).items.map(({ state }) => state);
const rotateNow = async (purpose = 'ticket') =>
  z
    .string()
    .parse(
      (await bodyOf(await broker.call(ROOT, 'POST', '/admin/keys/rotate', { activate: 'now', purpose }))).kid,
    );
const maxAge = async () => (await broker.app.request('/.well-known/jwks.json')).headers.get('cache-control');

describe('GET /admin/keys', () => {
  it('lists keys that are over, newest first, page by page', async () => {
    const leaked = await rotateNow();
    await broker.call(ROOT, 'POST', `/admin/keys/${leaked}/revoke`);
    await rotateNow();
    expect(await states()).toEqual(['active', 'retiring', 'revoked', 'retiring']);
    broker.clock.now += 600;
    expect(await states()).toEqual(['active', 'retired', 'revoked', 'retired']);
    const first = await page('?limit=3');
    expect(first.items[2]).toEqual(
      expect.objectContaining({ kid: leaked, revoked_at: new Date(NOW * 1000).toISOString() }),
    );
    expect(await states(`?limit=3&cursor=${first.next_cursor}`)).toEqual(['retired']);
    expect(await states('?purpose=audit')).toEqual(['active']);
  });

  it.each(['?cursor=eyJhIjoxfQ', '?limit=0', '?purpose=tickets'])('%s is a bad request', async (query) => {
    expect((await broker.call(ROOT, 'GET', `/admin/keys${query}`)).status).toBe(400);
  });
});

describe('the key set may be held', () => {
  it('for a minute, and never beyond the end of a key in it', async () => {
    expect(await maxAge()).toBe('public, max-age=60');
    await rotateNow();
    const { items } = await page();
    expect(items.map(({ state }) => state)).toEqual(['active', 'retiring']);
    // The default lag is six minutes.
    const ageAfter = async (seconds: number) => {
      broker.clock.now = NOW + seconds;
      return maxAge();
    };
    expect(await ageAfter(300)).toBe('public, max-age=60');
    expect(await ageAfter(301)).toBe('public, max-age=59');
    expect(await ageAfter(359)).toBe('public, max-age=1');
    expect(await ageAfter(360)).toBe('public, max-age=60');
  });
});
