import { describe, expect, it } from 'vitest';
import { ROUTES } from '../../src/resources/routes.ts';
import { ALICE } from './auth0.ts';
import { BROKER, NOW } from './start-broker.ts';
import { openTokenBroker } from './token/token-broker.ts';

const own = await openTokenBroker();
const { control } = own.broker.ports;
await control.change({
  before: [
    control.principals.signOut({
      id: ALICE,
      tokensBefore: (NOW - 30) * 1000,
      loginsBefore: null,
      keptUntil: (NOW + 3600) * 1000,
    }),
  ],
  event: { eventId: crypto.randomUUID(), at: NOW * 1000, type: 'login.ended', outcome: 'success' },
  dueAt: Number.MAX_SAFE_INTEGER,
});

const statusBy = async (iat: number, method: string, path: string): Promise<number> => {
  const headers = { authorization: `Bearer ${await own.token({ iat })}`, 'content-type': 'application/json' };
  const body = method === 'POST' ? '{}' : null;
  return (await own.broker.app.request(`${BROKER}${path}`, { method, headers, body })).status;
};

describe('a bearer token from before its person signed out', () => {
  // A batch has an answer for each request, and a test of its own.
  const required = ROUTES.filter(({ auth, limit }) => auth === 'required' && limit.counts !== 'tickets').map(
    ({ method, path }) => [method, path.replaceAll(/:\w+/g, 'x')] as const,
  );

  it.each(required)('is refused at %s %s, where a newer one is not', async (method, path) => {
    await own.broker.ports.record.rates.purge(Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
    expect(await statusBy(NOW - 30, method, path)).toBe(401);
    expect(await statusBy(NOW - 29, method, path)).not.toBe(401);
  });
});
