import { generateKeyPair } from 'jose';
import { describe, expect, it, vi } from 'vitest';
import { expecting, makeSigner, NOW, PAYLOAD, type Signer, signTicket, verdict } from '../test/tickets.ts';
import type { DenialReason } from './denial.ts';
import { err, ok } from './outcome.ts';
import { MESSAGE, STATE_READ, STATE_WRITE } from './scope.ts';
import { verifyTicket } from './verify-ticket.ts';

const es256 = await makeSigner('ES256');
const ed25519 = await makeSigner('Ed25519');
const unknownSigner = await makeSigner('ES256');
const signers = [es256, ed25519];

describe('a valid ticket', () => {
  it.each([es256, ed25519])(
    'signed with $alg is accepted with its claims and kid',
    async (signer: Signer) => {
      const outcome = await verifyTicket(await signTicket(signer), expecting(signers));
      expect(outcome).toEqual({
        ok: true,
        value: {
          claims: { ...PAYLOAD, scope: ['agent:connect', 'agent:state:read'] },
          kid: signer.kid,
        },
      });
    },
  );

  it.each([
    ['a client', { client_id: 'svc_1' }],
    ['an actor', { act: { sub: 'oidc:ci:runner' } }],
    ['a chain of actors', { act: { sub: 'oidc:ci:runner', act: { sub: 'oidc:ci:queue' } } }],
    ['the HTTP transport', { transport: 'http' }],
  ] as const)('may carry %s', async (_name, claims) => {
    const expected = expecting(signers, 'transport' in claims ? { transport: claims.transport } : {});
    const outcome = await verifyTicket(await signTicket(es256, claims), expected);
    expect(outcome).toMatchObject({ ok: true, value: { claims } });
  });

  it('is accepted as often as it is shown, since replay is the object’s to refuse', async () => {
    const token = await signTicket(es256);
    expect(await Promise.all(Array.from({ length: 5 }, () => verdict(token, expecting(signers))))).toEqual(
      Array.from({ length: 5 }, () => 'accepted'),
    );
  });
});

describe('time', () => {
  const rows: [name: string, nowSeconds: number, claims: object, expected: DenialReason | 'accepted'][] = [
    ['6 s before it was issued', NOW - 6, {}, 'ticket_not_yet_valid'],
    ['5 s before it was issued', NOW - 5, {}, 'accepted'],
    ['at the second of issue', NOW, {}, 'accepted'],
    ['in its last second', NOW + 59, {}, 'accepted'],
    ['at exp', NOW + 60, {}, 'accepted'],
    ['4 s past exp', NOW + 64, {}, 'accepted'],
    ['5 s past exp', NOW + 65, {}, 'ticket_expired'],
    ['59 s past exp', NOW + 119, {}, 'ticket_expired'],
    ['60 s past exp', NOW + 120, {}, 'ticket_long_expired'],
    ['a day past exp', NOW + 86_400, {}, 'ticket_long_expired'],
    ['nbf 5 s ahead', NOW, { nbf: NOW + 5 }, 'accepted'],
    ['nbf 6 s ahead', NOW, { nbf: NOW + 6 }, 'ticket_not_yet_valid'],
    ['iat 5 s ahead', NOW, { iat: NOW + 5 }, 'accepted'],
    ['iat 6 s ahead', NOW, { iat: NOW + 6 }, 'ticket_not_yet_valid'],
    ['a life of 300 s', NOW, { exp: NOW + 300 }, 'accepted'],
    ['a life of 301 s', NOW, { exp: NOW + 301 }, 'ticket_claims_invalid'],
    ['a clock that is not a number', Number.NaN, {}, 'ticket_not_yet_valid'],
  ];
  it.each(rows)('%s', async (_name, nowSeconds, claims, expected) => {
    expect(await verdict(await signTicket(es256, claims), expecting(signers, { nowSeconds }))).toBe(expected);
  });
});

it.each([
  ['6 s early', NOW - 6, { detail: expect.stringContaining('6 s before'), retryAfter: 1 }],
  ['20 s early', NOW - 20, { detail: expect.stringContaining('20 s before'), retryAfter: 15 }],
  ['an hour early', NOW - 3600, { detail: expect.stringContaining('3600 s before'), retryAfter: 60 }],
  ['7 s late', NOW + 67, { detail: 'expired 7 s ago' }],
  ['an hour late', NOW + 3660, { detail: 'expired 3600 s ago' }],
] as const)('the refusal of a ticket %s names the difference', async (_name, nowSeconds, facts) => {
  const refused = await verifyTicket(await signTicket(es256, {}), expecting(signers, { nowSeconds }));
  expect(refused).toMatchObject({ ok: false, denial: facts });
});

describe('a ticket for something else', () => {
  const rows: [
    name: string,
    claims: object,
    expected: Parameters<typeof expecting>[1],
    reason: DenialReason,
  ][] = [
    ['another agent', { agent: 'lobby' }, {}, 'ticket_agent_wrong'],
    ['another instance', { instance: 'room-2' }, {}, 'ticket_instance_wrong'],
    ['the case twin of the instance', { instance: 'Room-1' }, {}, 'ticket_instance_wrong'],
    ['the snake twin of the instance', { instance: 'room_1' }, {}, 'ticket_instance_wrong'],
    ['the camel twin of the instance', { instance: 'room1' }, {}, 'ticket_instance_wrong'],
    ['another transport', { transport: 'http' }, {}, 'ticket_transport_wrong'],
    ['sockets, shown to HTTP', {}, { transport: 'http' }, 'ticket_transport_wrong'],
    ['no connecting', { scope: 'agent:state:read' }, {}, 'ticket_scope_missing'],
    ['reading, shown for writing', {}, { scope: STATE_WRITE }, 'ticket_scope_missing'],
    ['all calls, shown for messages', { scope: 'agent:rpc:*' }, { scope: MESSAGE }, 'ticket_scope_missing'],
  ];
  it.each(rows)('%s is refused', async (_name, claims, expected, reason) => {
    expect(await verdict(await signTicket(es256, claims), expecting(signers, expected))).toBe(reason);
  });

  it.each([
    ...['room%2D1', 'room%252D1', '../room-1', 'x/../room-1', 'room-1%00', 'room-1\0', 'room-1.', 'room-1 '],
    ...['ROOM-1', 'room-1/', '', 'room\u20101', 'r\u043eom-1', 'room-1\u0301', '\uff52oom-1', '__proto__'],
  ])('a route to the instance %j is not the one of the ticket', async (instance) => {
    const expected = expecting(signers, { route: { agent: 'counter', instance } });
    expect(await verdict(await signTicket(es256), expected)).toBe('ticket_instance_wrong');
  });

  it.each(['Counter', 'counter/', 'counter%2F', 'co\u0075nter ', '', 'constructor'])(
    'a route to the agent %j is not the one of the ticket',
    async (agent) => {
      const expected = expecting(signers, { route: { agent, instance: 'room-1' } });
      expect(await verdict(await signTicket(es256), expected)).toBe('ticket_agent_wrong');
    },
  );
});

describe('the order of the checks', () => {
  it('reports the first failure of a ticket in which everything is wrong, then the next', async () => {
    const wrong = {
      iss: ['https://evil.example', 'ticket_issuer_wrong'],
      aud: ['https://other.example', 'ticket_audience_wrong'],
      agent: ['lobby', 'ticket_agent_wrong'],
      instance: ['room-2', 'ticket_instance_wrong'],
      transport: ['http', 'ticket_transport_wrong'],
      scope: ['agent:message', 'ticket_scope_missing'],
    } as const;
    const rest = Object.entries(wrong);
    const seen: string[] = [];
    while (rest.length > 0) {
      const claims = Object.fromEntries(rest.map(([claim, [value]]) => [claim, value]));
      seen.push(await verdict(await signTicket(es256, claims), expecting(signers)));
      rest.shift();
    }
    expect(seen).toEqual(Object.values(wrong).map(([, reason]) => reason));
  });

  it('an expired ticket for another agent is reported as expired: no fact about routes leaks past exp', async () => {
    const expected = expecting(signers, { nowSeconds: NOW + 3600 });
    expect(await verdict(await signTicket(es256, { agent: 'lobby' }), expected)).toBe('ticket_long_expired');
  });

  it('a signature is checked before any claim is read', async () => {
    const forged = await signTicket({ ...unknownSigner, kid: es256.kid }, { iss: 'https://evil.example' });
    expect(await verdict(forged, expecting(signers))).toBe('ticket_signature_invalid');
  });
});

describe('keys', () => {
  it('the key of an unknown signer is refused', async () => {
    expect(await verdict(await signTicket(unknownSigner), expecting(signers))).toBe('ticket_key_unknown');
  });

  it('the finder’s own refusal is passed on as it is', async () => {
    const denial = { ok: false, denial: { reason: 'keys_unavailable', retryAfter: 7 } } as const;
    const findKey = async () => err('keys_unavailable', { retryAfter: 7 });
    expect(await verifyTicket(await signTicket(es256), expecting(signers, { findKey }))).toEqual(denial);
  });

  it('the kid is looked up once, unchanged from the header', async () => {
    const findKey = vi.fn(expecting(signers).findKey);
    await verifyTicket(await signTicket(es256), expecting(signers, { findKey }));
    expect(findKey.mock.calls).toEqual([[es256.kid]]);
  });

  it('a finder that breaks is a bug and not a refusal', async () => {
    const findKey = () => Promise.reject(new Error('broken'));
    await expect(verifyTicket(await signTicket(es256), expecting(signers, { findKey }))).rejects.toThrow();
  });

  it('a key of another type under the right name is a bug and not a refusal', async () => {
    const { publicKey } = await generateKeyPair('RS256');
    const findKey = async () => ok({ alg: 'ES256' as const, key: publicKey });
    await expect(verifyTicket(await signTicket(es256), expecting(signers, { findKey }))).rejects.toThrow(
      TypeError,
    );
  });

  it('a private key handed in by mistake is a bug and not an acceptance', async () => {
    const findKey = async () => ok({ alg: 'ES256' as const, key: es256.privateKey });
    await expect(verifyTicket(await signTicket(es256), expecting(signers, { findKey }))).rejects.toThrow(
      TypeError,
    );
  });
});

describe('a ticket is enough', () => {
  it('for what its scope names', async () => {
    const expected = expecting(signers, { scope: STATE_READ });
    expect(await verdict(await signTicket(es256), expected)).toBe('accepted');
  });

  it.each(['websocket', 'http'])(
    'with the transport %s, for a request that may come by either',
    async (transport) => {
      const expected = expecting(signers, { transport: undefined });
      expect(await verdict(await signTicket(es256, { transport }), expected)).toBe('accepted');
    },
  );
});
