import { env } from 'cloudflare:workers';
import { describe, expect, it } from 'vitest';
import { startBroker } from './broker.ts';
import { COUNTER, call, LOBBY, mint, newAddress } from './call.ts';
import { NOW, setClock } from './clock.ts';
import { delivered, inShards, ringAlarms } from './record.ts';
import { bearer, newSecret } from './tokens.ts';

const kept = async () => {
  await delivered();
  const { results } = await env.RECORD.prepare('SELECT count(*) AS n FROM audit_events').all();
  return results;
};
const windows = () => inShards('SELECT key FROM rate_windows');

describe('a flood of anonymous callers', () => {
  it('buys no row of the record, is counted by reason, agent and minute, and leaves nothing after its minute', async () => {
    const { front, logged } = startBroker();
    const before = await kept();
    const secret = newSecret();
    const from = newAddress();
    for (let n = 0; n < 100; n += 1) {
      await Promise.all([
        mint(bearer(secret), COUNTER, { front, from }),
        mint({ authorization: 'nonsense' }, COUNTER, { front, from }),
        mint(undefined, COUNTER, { front, from }),
        call('/me', { front, from }),
      ]);
    }
    expect(await kept()).toEqual(before);

    setClock(60);
    await mint(undefined, LOBBY, { front, from });
    await call('/me', { front, from });
    const counts = logged.map((line) => JSON.parse(line)).filter(({ event }) => event === 'refusals');
    expect(
      counts.every(({ minute }) => minute === new Date(NOW * 1000 - ((NOW * 1000) % 60_000)).toISOString()),
    ).toBe(true);
    const total = counts.reduce((sum, { count }) => sum + count, 0);
    expect(total).toBe(400);
    expect(counts.find(({ reason }) => reason === 'credential_missing')).toMatchObject({ count: 100 });
    expect(counts.length).toBeLessThan(10);

    setClock(200);
    await ringAlarms();
    expect((await windows()).map(({ key }) => key)).not.toContain(`failed:address:${from}`);
  });

  it('does not count whom it knows: that is in the audit log', async () => {
    const { front, logged } = startBroker();
    await mint(undefined, COUNTER, { front });
    setClock(61);
    await call('/me', { front });
    const [count] = logged.map((line) => JSON.parse(line)).filter(({ event }) => event === 'refusals');
    expect(count).toMatchObject({ agent: 'counter', count: 1 });
  });
});
