import { afterEach, describe, expect, it, vi } from 'vitest';
import * as z from 'zod';
import { rowsOf } from './folder.ts';
import { BROKER, startNodeBroker } from './start-broker.ts';

/**
 * The event of a ticket is on disk when its answer leaves. A process that is killed at once proves that only by chance:
 * here no timer ever fires, so an event that is put off by any time is never there.
 */

afterEach(() => {
  vi.useRealTimers();
});

const Minted = z.looseObject({ jti: z.uuid() });

describe('at the moment in which the answer leaves', () => {
  it.each([
    ['a tier with a limit', 'free'],
    ['a tier without one', 'admin'],
  ] as const)('the event of the ticket is on disk, for %s', async (_what, tier) => {
    const broker = await startNodeBroker();
    const token = await broker.makeServiceToken({ tier });
    await broker.grant(`token:${token.id}`, 'counter', 'admin');
    const mint = () =>
      broker.app.request(`${BROKER}/tickets`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token.clientSecret}`, 'content-type': 'application/json' },
        body: JSON.stringify({ agent: 'counter' }),
      });
    // The first makes the signing key.
    expect((await mint()).status).toBe(201);
    vi.useFakeTimers({ toFake: ['setTimeout', 'setInterval'] });
    const answer = await mint();
    const rows = await rowsOf(`${broker.folder}/record.db`, 'SELECT jti, type FROM audit_events');
    expect(answer.status).toBe(201);
    const { jti } = Minted.parse(await answer.json());
    expect(rows).toContainEqual(expect.objectContaining({ jti, type: 'ticket.issued' }));
  });

  it('the event of a refusal is on disk as well', async () => {
    const broker = await startNodeBroker();
    const token = await broker.makeServiceToken({ tier: 'free' });
    vi.useFakeTimers({ toFake: ['setTimeout', 'setInterval'] });
    const answer = await broker.app.request(`${BROKER}/tickets`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token.clientSecret}`, 'content-type': 'application/json' },
      body: JSON.stringify({ agent: 'nobody' }),
    });
    const rows = await rowsOf(`${broker.folder}/record.db`, 'SELECT type FROM audit_events');
    expect(answer.status).toBe(404);
    expect(rows).toContainEqual(expect.objectContaining({ type: 'ticket.denied' }));
  });
});
