import { describe, expect, it } from 'vitest';
import type { Counter } from '../http/rate.ts';
import { countFailure } from './auth-result.ts';

const NOW = 1_800_000_000_000;
const callWith = (headers: Record<string, string>) => ({
  requestId: 'request-1',
  now: NOW,
  ipAddress: '192.0.2.1',
  request: new Request('https://broker.test/tickets', { headers }),
});
const PAIR = { 'cf-access-client-id': 'svc_a', 'cf-access-client-secret': 'x' };
const CALL = callWith(PAIR);
const REFUSAL = { ok: false, denial: { reason: 'credential_secret_wrong' } } as const;

function over(count: Counter['count']) {
  const logged: Readonly<Record<string, unknown>>[] = [];
  return {
    logged,
    ports: { shard: { count }, log: (line: Readonly<Record<string, unknown>>) => void logged.push(line) },
  };
}
const admitted: Counter['count'] = async () => ({
  admitted: true,
  rate: { limit: 30, remaining: 1, resetAt: NOW / 1000 + 7 },
});
const full: Counter['count'] = async () => ({
  admitted: false,
  rate: { limit: 30, remaining: 0, resetAt: NOW / 1000 + 7 },
});
const broken =
  (message: string): Counter['count'] =>
  () =>
    Promise.reject(new Error(message));

/** The accounts under which a failure of this call counts. */
async function accountsOf(call: ReturnType<typeof callWith>, bodyClientId?: string): Promise<string[]> {
  const accounts: string[] = [];
  const { ports } = over((account, rule) => {
    accounts.push(account);
    expect(rule).toEqual({ key: account, limit: 30 });
    return admitted(account, rule);
  });
  expect(await countFailure(REFUSAL, call, ports, bodyClientId)).toEqual(REFUSAL);
  return accounts;
}

describe('a failed credential', () => {
  it('is counted by address and by client id, which is not kept as it came', async () => {
    expect(await accountsOf(CALL)).toEqual([
      'failed:address:192.0.2.1',
      expect.stringMatching(/^failed:client:[\w-]{43}$/),
    ]);
  });

  const id = `svc_${'a'.repeat(22)}`;
  const secret = `atk_${'a'.repeat(22)}_${'b'.repeat(49)}`;
  it.each([
    ['a bearer secret', callWith({ authorization: `Bearer ${secret}` }), undefined],
    ['a bearer secret with a typo', callWith({ authorization: `Bearer ${secret}x` }), undefined],
    ['a pair', callWith({ 'cf-access-client-id': id, 'cf-access-client-secret': secret }), undefined],
    ['HTTP Basic', callWith({ authorization: `Basic ${btoa(`${id}:${secret}`)}` }), undefined],
    ['a form', callWith({}), id],
    ['a client id with signs around it', callWith({ ...PAIR, 'cf-access-client-id': `"${id}"` }), undefined],
  ])('of one client id is counted under the same account: %s', async (_way, call, bodyClientId) => {
    const [address, client] = await accountsOf(call, bodyClientId);
    expect(address).toBe('failed:address:192.0.2.1');
    expect(client).toBe((await accountsOf(callWith({}), id))[1]);
  });

  it.each([
    ['a token that is none of ours', 'eyJhbGciOiJFUzI1NiJ9.e30.c2ln'],
    ['a secret that names no token', `atk_${'a'.repeat(49)}`],
  ])('of %s is counted by address alone', async (_what, token) => {
    expect(await accountsOf(callWith({ authorization: `Bearer ${token}` }))).toEqual([
      'failed:address:192.0.2.1',
    ]);
  });

  it('over the limit is "too many", and says when to come again', async () => {
    const { ports } = over(full);
    expect(await countFailure(REFUSAL, CALL, ports)).toEqual({
      ok: false,
      denial: { reason: 'credential_tried_too_often', retryAfter: 7 },
    });
    const logout = { ok: false, denial: { reason: 'logout_token_invalid' } } as const;
    expect(await countFailure(logout, CALL, ports)).toMatchObject({ denial: { reason: 'rate_limited' } });
  });

  it('stays refused while the counter is unavailable, and the outage is logged', async () => {
    const { ports, logged } = over(broken('Network connection lost.'));
    expect(await countFailure(REFUSAL, CALL, ports)).toEqual(REFUSAL);
    expect(logged).toEqual([{ event: 'outage', reason: 'failure_not_counted' }]);
  });

  it('of an address over its limit is not counted by client id', async () => {
    const keys: string[] = [];
    const { ports } = over((key, rule) => {
      keys.push(key);
      return full(key, rule);
    });
    expect(await countFailure(REFUSAL, CALL, ports)).toMatchObject({
      denial: { reason: 'credential_tried_too_often' },
    });
    expect(keys).toEqual(['failed:address:192.0.2.1']);
  });

  it('is not counted by client id where the address cannot be counted', async () => {
    const { ports } = over((key, rule) =>
      key.startsWith('failed:client:') ? full(key, rule) : broken('Network connection lost.')(key, rule),
    );
    expect(await countFailure(REFUSAL, CALL, ports)).toEqual(REFUSAL);
  });

  it('hides no bug of the counter', async () => {
    const { ports } = over((key, rule) =>
      key.startsWith('failed:client:') ? broken('a bug')(key, rule) : admitted(key, rule),
    );
    await expect(countFailure(REFUSAL, CALL, ports)).rejects.toThrow('a bug');
  });

  it.each(['credential_expired', 'credential_ambiguous', 'identity_source_unavailable'] as const)(
    'that is %s proves no wrong try and is not counted',
    async (reason) => {
      const { ports } = over(broken('never counted'));
      const refusal = { ok: false, denial: { reason } } as const;
      expect(await countFailure(refusal, CALL, ports)).toEqual(refusal);
    },
  );
});
