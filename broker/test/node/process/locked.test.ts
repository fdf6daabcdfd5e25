import { createClient } from '@libsql/client';
import { describe, expect, it } from 'vitest';
import { atEnd } from '../folder.ts';
import { basic } from '../start-broker.ts';
import { eventsIn, mintAt, newHome, settingsIn, startBroker } from './broker-process.ts';

/** Holds the write lock of a file until it is let go. */
async function lockOn(file: string) {
  const client = createClient({ url: `file:${file}` });
  atEnd(() => client.close());
  // The broker may be writing at this moment.
  await client.execute('PRAGMA busy_timeout = 5000');
  const transaction = await client.transaction('write');
  return { release: () => transaction.rollback() };
}

describe('while another process holds the record database', () => {
  it('no ticket leaves and nothing hangs, what needs no write is answered, and all goes on afterwards', async () => {
    const { folder, token } = await newHome();
    const { url } = await startBroker(settingsIn(folder));
    expect((await mintAt(url, token)).status).toBe(201);
    const lock = await lockOn(`${folder}/record.db`);

    const refused = await Promise.all(Array.from({ length: 10 }, () => mintAt(url, token)));
    for (const answer of refused) {
      const text = await answer.text();
      expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '5']);
      expect(JSON.parse(text)).toMatchObject({ error: { code: 'UNAVAILABLE' } });
      expect(text).not.toContain('eyJ');
    }
    const wrong = basic(token.clientId, 'atk_wrong');
    expect((await mintAt(url, token, wrong)).status).toBe(401);
    expect((await fetch(`${url}/.well-known/jwks.json`)).status).toBe(200);
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
    const ready = await fetch(`${url}/readyz`);
    expect([ready.status, await ready.json()]).toMatchObject([
      503,
      { error: { code: 'UNAVAILABLE' }, mint: false, verify: true, record: false },
    ]);

    await lock.release();
    const minted = await mintAt(url, token);
    // Refusals caused by an unavailable mint shard count against no account.
    expect([minted.status, minted.headers.get('x-ratelimit-remaining')]).toEqual([201, '598']);
    const issued = (await eventsIn(folder)).filter(({ type }) => type === 'ticket.issued');
    expect(issued).toHaveLength(2);
  });
});

describe('while another process holds the control database', () => {
  it('tickets are minted: nothing is written there for one', async () => {
    const { folder, token } = await newHome();
    const { url } = await startBroker(settingsIn(folder));
    const lock = await lockOn(`${folder}/control.db`);
    expect((await mintAt(url, token)).status).toBe(201);
    expect(await (await fetch(`${url}/readyz`)).json()).toMatchObject({ mint: true, record: true });
    await lock.release();
  });
});

it('nothing waits at a broker on Node, and of agents’ objects it says that it cannot know', async () => {
  const { folder } = await newHome();
  const { url } = await startBroker(settingsIn(folder));
  expect(await (await fetch(`${url}/readyz`)).json()).toMatchObject({
    status: 'ready',
    events_waiting: 0,
    agent_events_waiting: null,
    agent_objects_waiting: null,
    waiting_age: null,
  });
});
