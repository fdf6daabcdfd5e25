import { describe, expect, it } from 'vitest';
import { COUNTER, mint, newAddress, requestIdOf } from './call.ts';
import { printed } from './printed.ts';
import { bearer, makeToken, newSecret, pair, type ServiceToken } from './tokens.ts';

describe('the log', () => {
  const eventsNamed = (name: string): Record<string, unknown>[] =>
    printed
      .filter((line) => line.startsWith('{') && line.includes(`"event":"${name}"`))
      .map((line) => JSON.parse(line));

  it('has a line for each good credential: principal, address, method and route', async () => {
    const token = await makeToken({ tier: 'pro' });
    const reply = await mint(token.bearer, COUNTER, { from: '203.0.113.7' });
    expect(eventsNamed('auth_success')).toEqual([
      expect.objectContaining({
        method: 'POST',
        path: '/tickets',
        principal: token.principal,
        tier: 'pro',
        auth_method: 'service-token',
        ip_address: '203.0.113.7',
        request_id: requestIdOf(reply),
      }),
    ]);
  });

  it.each([
    ['credential_secret_wrong', (t: ServiceToken) => pair(t.clientId, newSecret())],
    ['credential_unknown', () => bearer(newSecret())],
    ['credential_malformed', () => ({ authorization: 'nonsense' })],
  ])(
    'contains the exact reason why a credential was refused, and the address that tried it: %s',
    async (reason, present) => {
      const from = newAddress();
      const reply = await mint(present(await makeToken()), COUNTER, { from });
      expect(eventsNamed('auth_failure')).toEqual([
        expect.objectContaining({
          ...{ method: 'POST', path: '/tickets', reason },
          ...{ ip_address: from, request_id: requestIdOf(reply) },
        }),
      ]);
      expect(reply.text).not.toContain(reason);
    },
  );

  it('names the principal that is over a limit', async () => {
    const token = await makeToken({ tier: 'free' });
    const replies = await Promise.all(
      Array.from({ length: 61 }, () => mint(token.pair, { agent: 'nobody' })),
    );
    expect(replies.filter(({ status }) => status === 429)).toHaveLength(1);
    expect(eventsNamed('rate_limit')).toEqual([
      expect.objectContaining({
        method: 'POST',
        path: '/tickets',
        principal: token.principal,
        tier: 'free',
        reason: 'rate_limited',
      }),
    ]);
  });
});
