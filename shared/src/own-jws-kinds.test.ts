import { base64url } from 'jose';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  AUDIENCE,
  expecting,
  headerOf,
  ISSUER,
  makeSigner,
  NOW,
  PAYLOAD,
  type Signer,
  segments,
  signBytes,
} from '../test/tickets.ts';
import { CONTROL_TYPE, controlAudience, verifyControl } from './control.ts';
import type { DenialReason } from './denial.ts';
import { verifyTicket } from './verify-ticket.ts';

/** A token of each kind that the broker signs, and one change at a time. */

let signer: Signer;
let twin: Signer;
let other: Signer;
beforeAll(async () => {
  [signer, twin, other] = await Promise.all([
    makeSigner('ES256'),
    makeSigner('ES256'),
    makeSigner('Ed25519'),
  ]);
});

const COMMAND = {
  iss: ISSUER,
  aud: controlAudience(AUDIENCE),
  jti: '0b0c9c3e-3d0e-4b0a-9a51-0a3b1c5d7e9f',
  iat: NOW,
  exp: NOW + 30,
  cmd: {
    op: 'revoke',
    revocation: { id: 'lock-1', rev: 1, target: 'agent:counter', kind: 'any', until: null, code: 'locked' },
  },
};

const KINDS = {
  ticket: {
    claims: PAYLOAD,
    header: () => headerOf(signer),
    verify: (token: string) => verifyTicket(token, expecting([signer, twin, other])),
    refusals: {
      spelling: 'ticket_malformed',
      header: 'ticket_header_invalid',
      signature: 'ticket_signature_invalid',
      claims: 'ticket_claims_invalid',
    },
  },
  control: {
    claims: COMMAND,
    header: () => ({ ...headerOf(signer), typ: CONTROL_TYPE }),
    verify: (token: string) =>
      verifyControl(token, {
        issuer: ISSUER,
        ticketAudience: AUDIENCE,
        nowSeconds: NOW,
        findKey: expecting([signer, twin, other]).findKey,
      }),
    refusals: {
      spelling: 'control_invalid',
      header: 'control_invalid',
      signature: 'control_invalid',
      claims: 'control_invalid',
    },
  },
} as const;
type Kind = (typeof KINDS)[keyof typeof KINDS];
type Stage = keyof Kind['refusals'];

const sign = (kind: Kind, header: object = {}, claims: object = {}, by = signer): Promise<string> =>
  signBytes(
    by,
    JSON.stringify({ ...kind.header(), ...header }),
    JSON.stringify({ ...kind.claims, ...claims }),
  );
const parts = async (kind: Kind) => segments(await sign(kind));
const last = (text: string, to: string): string => text.slice(0, -1) + to;

type Mutation = readonly [what: string, stage: Stage, mutate: (kind: Kind) => Promise<string>];
const WITHOUT_A_CLAIM = ['iss', 'aud', 'jti', 'iat', 'exp'].map(
  (claim): Mutation => [`without ${claim}`, 'claims', (kind) => sign(kind, {}, { [claim]: undefined })],
);
const MUTATIONS: readonly Mutation[] = [
  ['no text', 'spelling', async () => ''],
  ['without a signature', 'spelling', async (kind) => (await parts(kind)).slice(0, 2).join('.')],
  ['with an empty signature', 'spelling', async (kind) => `${(await parts(kind)).slice(0, 2).join('.')}.`],
  ['with a fourth segment', 'spelling', async (kind) => `${await sign(kind)}.AA`],
  ['with a space after it', 'spelling', async (kind) => `${await sign(kind)} `],
  ['with padding', 'spelling', async (kind) => `${await sign(kind)}==`],
  ['longer than its kind may be', 'spelling', async (kind) => sign(kind, { x: 'x'.repeat(4096) })],
  ['with spare bits in its signature', 'spelling', async (kind) => last(await sign(kind), '_')],
  [
    'with a header that is no JSON',
    'header',
    async (kind) => signBytes(signer, '{', JSON.stringify(kind.claims)),
  ],
  ['with a list as header', 'header', async (kind) => signBytes(signer, '[]', JSON.stringify(kind.claims))],
  ['of no type', 'header', (kind) => sign(kind, { typ: undefined })],
  ['of the common type', 'header', (kind) => sign(kind, { typ: 'JWT' })],
  [
    'of the other type',
    'header',
    (kind) => sign(kind, { typ: kind === KINDS.ticket ? CONTROL_TYPE : headerOf(signer).typ }),
  ],
  ['with the type in capitals', 'header', (kind) => sign(kind, { typ: kind.header().typ.toUpperCase() })],
  ['with a member more', 'header', (kind) => sign(kind, { cty: 'JWT' })],
  ['with a critical extension', 'header', (kind) => sign(kind, { crit: ['b64'], b64: false })],
  ['with a key of its own', 'header', (kind) => sign(kind, { jwk: signer.jwk })],
  ['without a kid', 'header', (kind) => sign(kind, { kid: undefined })],
  ['unsigned', 'header', (kind) => sign(kind, { alg: 'none' })],
  ['by a shared secret', 'header', (kind) => sign(kind, { alg: 'HS256' })],
  ['by another algorithm than the key has', 'header', (kind) => sign(kind, { alg: 'Ed25519' })],
  ['signed by another key of the set', 'signature', (kind) => sign(kind, {}, {}, twin)],
  [
    'with the payload of another token',
    'signature',
    async (kind) => {
      const [header, , signature] = await parts(kind);
      return `${header}.${base64url.encode(JSON.stringify({ ...kind.claims, iat: NOW - 1 }))}.${signature}`;
    },
  ],
  [
    'with another header than was signed',
    'signature',
    async (kind) => {
      const [, payload, signature] = await parts(kind);
      return `${base64url.encode(JSON.stringify({ ...kind.header(), kid: twin.kid }))}.${payload}.${signature}`;
    },
  ],
  [
    'with a byte less in its signature',
    'signature',
    async (kind) => {
      const [header, payload, signature] = await parts(kind);
      return `${header}.${payload}.${base64url.encode(base64url.decode(signature).slice(1))}`;
    },
  ],
  ['whose payload is no JSON', 'claims', (kind) => signBytes(signer, JSON.stringify(kind.header()), '{')],
  ['whose payload is null', 'claims', (kind) => signBytes(signer, JSON.stringify(kind.header()), 'null')],
  ['with a claim more', 'claims', (kind) => sign(kind, {}, { nonce: 'x' })],
  ['with a confirmation', 'claims', (kind) => sign(kind, {}, { cnf: { jkt: 'x' } })],
  ...WITHOUT_A_CLAIM,
  ['for two audiences', 'claims', (kind) => sign(kind, {}, { aud: [kind.claims.aud] })],
  ['whose time has fractions', 'claims', (kind) => sign(kind, {}, { iat: NOW + 0.5 })],
  ['that lasts longer than its kind may', 'claims', (kind) => sign(kind, {}, { exp: NOW + 301 })],
  ['that ends before it begins', 'claims', (kind) => sign(kind, {}, { exp: NOW - 1 })],
];

const reasonOf = async (kind: Kind, token: string): Promise<DenialReason | 'accepted'> => {
  const outcome = await kind.verify(token);
  return outcome.ok ? 'accepted' : outcome.denial.reason;
};

describe.each(['ticket', 'control'] as const)('a %s token', (name) => {
  const kind: Kind = KINDS[name];

  it('is accepted as it is, by each algorithm', async () => {
    expect(await reasonOf(kind, await sign(kind))).toBe('accepted');
    const { alg, kid } = other;
    expect(await reasonOf(kind, await sign(kind, { alg, kid }, {}, other))).toBe('accepted');
  });

  it.each(MUTATIONS)('%s is refused by its %s', async (_what, stage, mutate) => {
    expect(await reasonOf(kind, await mutate(kind))).toBe(kind.refusals[stage]);
  });

  it('whose key is unknown is refused as the keys say', async () => {
    const unknownSigner = await makeSigner('ES256');
    const token = await sign(kind, { kid: unknownSigner.kid }, {}, unknownSigner);
    expect(await reasonOf(kind, token)).toBe('ticket_key_unknown');
  });
});

describe('a ticket', () => {
  it.each([
    ['no number', { rev: undefined }],
    ['a negative number', { rev: -1 }],
    ['a fraction', { rev: 1.5 }],
    ['a number in text', { rev: '7' }],
    ['an empty grant', { grant: '' }],
    ['a long grant', { grant: 'g'.repeat(129) }],
    ['an empty sign-in', { login: '' }],
    ['a sign-in of no text', { login: 7 }],
  ])('with %s is refused', async (_what, claims) => {
    expect(await reasonOf(KINDS.ticket, await sign(KINDS.ticket, {}, claims))).toBe('ticket_claims_invalid');
  });

  it.each([{ rev: 0 }, { grant: 'g' }, { login: 'l' }])('with %j is accepted', async (claims) => {
    expect(await reasonOf(KINDS.ticket, await sign(KINDS.ticket, {}, claims))).toBe('accepted');
  });
});

describe('a control token', () => {
  const revocation = COMMAND.cmd.revocation;
  const place = { agent: 'counter', instance: 'main' };
  const verdict = async (claims: object) => reasonOf(KINDS.control, await sign(KINDS.control, {}, claims));

  it.each([
    { op: 'revoke', revocation },
    { op: 'destroy', ...place, revocation },
    { op: 'lapse', ...place, revocation },
    { op: 'reconcile' },
  ])('may say %j', async (cmd) => {
    expect(await verdict({ cmd })).toBe('accepted');
  });

  it.each([
    { op: 'revoke' },
    { op: 'revoke', revocation: { ...revocation, kind: 'issued' } },
    { op: 'revoke', revocation: { ...revocation, target: 'nobody:x' } },
    { op: 'revoke', revocation: { ...revocation, reason: 'stolen laptop' } },
    { op: 'destroy', revocation },
    { op: 'lapse', agent: 'counter', instance: 'ma in', revocation },
    { op: 'reconcile', agent: 'counter' },
    { op: 'close' },
    'reconcile',
  ])('may not say %j', async (cmd) => {
    expect(await verdict({ cmd })).toBe('control_invalid');
  });

  it.each<[string, object]>([
    ['of another issuer', { iss: `${ISSUER}/` }],
    ['for the audience of tickets', { aud: AUDIENCE }],
    ['for another audience', { aud: controlAudience('https://other.example') }],
    ['that lasts longer than 30 s', { exp: NOW + 31 }],
    ['that is over', { iat: NOW - 40, exp: NOW - 10 }],
    ['that is over at the leeway', { iat: NOW - 35, exp: NOW - 5 }],
    ['from the future', { iat: NOW + 6, exp: NOW + 36 }],
    ['of a name that is no UUID', { jti: 'x' }],
  ])('%s is refused', async (_what, claims) => {
    expect(await verdict(claims)).toBe('control_invalid');
  });

  it.each<[string, object]>([
    ['within the leeway of its end', { iat: NOW - 34, exp: NOW - 4 }],
    ['within the leeway of its start', { iat: NOW + 5, exp: NOW + 35 }],
  ])('%s is accepted', async (_what, claims) => {
    expect(await verdict(claims)).toBe('accepted');
  });
});
