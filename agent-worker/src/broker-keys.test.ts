import { KEY_SET } from '@agent-ticket/shared/limits.ts';
import { makeSigner } from '@agent-ticket/shared/test/tickets.ts';
import { expect, test } from 'vitest';
import { brokerKeys } from './broker-keys.ts';

const known = await makeSigner('ES256');
const unknown = await makeSigner('Ed25519');

const keys = (fetchSet: () => Promise<Response>) => {
  let now = 0;
  return brokerKeys(
    {
      fetchSet,
      clock: () => now,
      sleep: async (ms) => {
        now += ms;
      },
    },
    KEY_SET.bindingCooldownMs,
  );
};

test('a published key is found with its algorithm', async () => {
  const found = await keys(async () => Response.json({ keys: [known.jwk] }))(known.kid);
  expect(found).toMatchObject({ ok: true, value: { alg: 'ES256' } });
});

test('a key that is not published is the ticket’s fault', async () => {
  const found = await keys(async () => Response.json({ keys: [known.jwk] }))(unknown.kid);
  expect(found).toEqual({ ok: false, denial: { reason: 'ticket_key_unknown' } });
});

test('a broker out of reach is nobody’s fault: come again in a second', async () => {
  const found = await keys(() => Promise.reject(new Error('no route to the broker')))(known.kid);
  expect(found).toEqual({ ok: false, denial: { reason: 'keys_unavailable', retryAfter: 1 } });
});

test('a key of another use than tickets is not taken', async () => {
  const rsa = { kty: 'RSA', alg: 'RS256', kid: known.kid, e: 'AQAB', n: 'x'.repeat(400) };
  const secret = { kty: 'oct', alg: 'HS256', kid: known.kid, k: 'c2VjcmV0' };
  const set = { keys: [rsa, secret, unknown.jwk] };
  const found = await keys(async () => Response.json(set))(known.kid);
  expect(found).toMatchObject({ ok: false, denial: { reason: 'ticket_key_unknown' } });
});
