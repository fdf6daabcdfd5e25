import { describe, expect, it } from 'vitest';
import type { Ledger } from '../mint/ledger.ts';
import { countFailure, type FailedCall } from './failures.ts';

const NOW = 1_800_000_000_000;
const CALL: FailedCall = {
  requestId: 'request-1',
  now: NOW,
  ipAddress: '192.0.2.1',
  request: new Request('https://broker.test/tickets', {
    headers: { 'cf-access-client-id': 'svc_a', 'cf-access-client-secret': 'x' },
  }),
};
const REFUSAL = { ok: false, denial: { reason: 'credential_secret_wrong' } } as const;

function over(settle: Ledger['settle']) {
  const logged: Readonly<Record<string, unknown>>[] = [];
  return {
    logged,
    ports: { ledger: { settle }, log: (line: Readonly<Record<string, unknown>>) => void logged.push(line) },
  };
}
const admitted: Ledger['settle'] = async () => ({ admitted: true, rate: null });
const full: Ledger['settle'] = async () => ({
  admitted: false,
  rate: { limit: 30, remaining: 0, resetAt: NOW / 1000 + 7 },
});
const broken =
  (message: string): Ledger['settle'] =>
  () =>
    Promise.reject(new Error(message));

describe('a failed credential', () => {
  it('is counted by address and by client id, which is not kept as it came', async () => {
    const keys: string[] = [];
    const { ports } = over(async (key) => {
      keys.push(key);
      return { admitted: true, rate: null };
    });
    expect(await countFailure(REFUSAL, CALL, ports)).toEqual(REFUSAL);
    expect(keys).toEqual(['failed:address:192.0.2.1', expect.stringMatching(/^failed:client:[\w-]{43}$/)]);
  });

  it('over the limit is "too many", and says when to come again', async () => {
    const { ports } = over(full);
    expect(await countFailure(REFUSAL, CALL, ports)).toEqual({
      ok: false,
      denial: { reason: 'rate_limited', retryAfter: 7 },
    });
  });

  it('stays refused while the ledger is out of reach, and the outage is logged', async () => {
    const { ports, logged } = over(broken('Network connection lost.'));
    expect(await countFailure(REFUSAL, CALL, ports)).toEqual(REFUSAL);
    expect(logged).toEqual([{ event: 'outage', reason: 'failure_not_counted', request_id: 'request-1' }]);
  });

  it('of an address over its limit is not counted by client id', async () => {
    const keys: string[] = [];
    const { ports } = over((key, entry) => {
      keys.push(key);
      return full(key, entry);
    });
    expect(await countFailure(REFUSAL, CALL, ports)).toMatchObject({ denial: { reason: 'rate_limited' } });
    expect(keys).toEqual(['failed:address:192.0.2.1']);
  });

  it('is not counted by client id where the address cannot be counted', async () => {
    const { ports } = over((key, entry) =>
      key.startsWith('failed:client:') ? full(key, entry) : broken('Network connection lost.')(key, entry),
    );
    expect(await countFailure(REFUSAL, CALL, ports)).toEqual(REFUSAL);
  });

  it('hides no bug of the ledger', async () => {
    const { ports } = over((key, entry) =>
      key.startsWith('failed:client:') ? broken('a bug')(key, entry) : admitted(key, entry),
    );
    await expect(countFailure(REFUSAL, CALL, ports)).rejects.toThrow('a bug');
  });

  it.each(['credential_expired', 'credential_ambiguous', 'identity_source_unavailable'] as const)(
    'that is %s proves no wrong try and is not counted',
    async (reason) => {
      const { ports } = over(broken('nobody asks'));
      const refusal = { ok: false, denial: { reason } } as const;
      expect(await countFailure(refusal, CALL, ports)).toEqual(refusal);
    },
  );
});
