import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type App, type Apps, ask, connect, startBoth } from './apps.ts';
import { changedLines } from './install.ts';

/** An app of Hono with the SDK's middleware, without tickets and with them: its agent is a resource of HTTP. */

let apps: Apps;
beforeAll(async () => {
  apps = await startBoth('hono', ['depot']);
}, 600_000);
afterAll(async () => {
  await Promise.all([apps?.plain.close(), apps?.guarded.close()]);
});

interface Stock {
  readonly done: readonly string[];
}

describe.each(['plain', 'guarded'] as const)('the %s app', (kind) => {
  const app = (): App => apps[kind];

  it('makes, reads, changes and deletes by the methods for that', async () => {
    const send = (method: string, body?: string) =>
      ask(app(), '/agents/depot/labels/blue', { method, ...(body === undefined ? {} : { body }) });
    const labels = async () => (await send('GET')).json();
    expect((await send('PUT', 'sea')).status).toBe(201);
    expect(await labels()).toEqual({ blue: 'sea' });
    expect((await send('PATCH', ' and sky')).status).toBe(204);
    expect(await labels()).toEqual({ blue: 'sea and sky' });
    const head = await send('HEAD');
    expect([head.status, head.headers.get('x-labels'), await head.text()]).toEqual([200, '1', '']);
    expect((await send('DELETE')).status).toBe(204);
    expect(await labels()).toEqual({});
  });

  it.each(['POST', 'PUT'])('takes an upload by %s', async (method) => {
    const body = new Uint8Array(1024 * 1024 + 1);
    const answer = await ask(app(), '/agents/depot/uploads/upload', { method, body });
    if (method === 'POST') expect(await answer.json()).toEqual({ bytes: body.length });
    else expect(answer.status).toBe(201);
  });

  it('runs what is scheduled and what is queued, with nobody as the caller', async () => {
    const { client } = await connect<Stock>(app(), 'depot', 'later');
    await client.call('later', [1, 'tea']);
    await client.call('inTurn', ['letters']);
    await eventually(() =>
      expect(client.state?.done.toSorted()).toEqual(['queued: letters', 'scheduled: tea']),
    );
  });

  it('gets mail', async () => {
    const { client } = await connect<Stock>(app(), 'depot', 'desk');
    const answer = await fetch(`${app().url}/contact?from=ann@example.com`, {
      method: 'POST',
      body: 'Hello',
    });
    expect(answer.status).toBe(204);
    await eventually(() => expect(client.state?.done).toEqual(['mail from ann@example.com']));
  });

  it('lets a sub-agent work, which has an address as well', async () => {
    const { client } = await connect<Stock>(app(), 'depot', 'shelved');
    expect([await client.call('store', ['top']), await client.call('store', ['top'])]).toEqual([1, 2]);
    const answer = await ask(app(), '/agents/depot/shelved/sub/shelf/top');
    expect(await answer.json()).toEqual({ shelf: 'top', parcels: 2 });
  });

  it('is reached by its own worker', async () => {
    const { client } = await connect<Stock>(app(), 'depot', 'summed');
    await client.call('inTurn', ['letters']);
    await eventually(async () => {
      const answer = await fetch(`${app().url}/summary/summed`);
      expect(await answer.json()).toEqual({ done: ['queued: letters'] });
    });
  });
});

describe('the guarded app', () => {
  it('is protected by ten lines at most', async () => {
    expect(await changedLines('hono')).toBeLessThanOrEqual(10);
  });

  it.each(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'])(
    'refuses a %s without a ticket',
    async (method) => {
      const answer = await fetch(`${apps.guarded.url}/agents/depot/labels/blue`, { method });
      expect(answer.status).toBe(401);
    },
  );
});
