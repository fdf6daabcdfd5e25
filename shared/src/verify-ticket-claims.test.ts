import { describe, expect, it } from 'vitest';
import {
  AUDIENCE,
  expecting,
  ISSUER,
  makeSigner,
  NOW,
  PAYLOAD,
  signPayload,
  verdict,
} from '../test/tickets.ts';
import type { DenialReason } from './denial.ts';
import { TicketClaims } from './ticket.ts';
import { verifyTicket } from './verify-ticket.ts';

const signer = await makeSigner('Ed25519');
const expected = expecting([signer]);
const judge = async (payload: string | Uint8Array) => verdict(await signPayload(signer, payload), expected);
const judgeClaims = (claims: object) => judge(JSON.stringify({ ...PAYLOAD, ...claims }));

const TEXT = JSON.stringify(PAYLOAD);
const MEMBERS = TEXT.slice(1, -1);
/** The good payload with one claim spelled in a way that no serialiser produces. */
const spelled = (claim: keyof typeof PAYLOAD, value: string): string =>
  TEXT.replace(`"${claim}":${JSON.stringify(PAYLOAD[claim])}`, `"${claim}":${value}`);

describe('a date', () => {
  const claims = ['iat', 'nbf', 'exp', 'session_expiry'] as const;
  const values: [string, string][] = [
    ['text', `"${NOW}"`],
    ['null', 'null'],
    ['true', 'true'],
    ['negative', '-1'],
    ['a fraction', `${NOW}.5`],
    ['1e308', '1e308'],
    ['1e999, which is infinite', '1e999'],
    ['-1e999', '-1e999'],
    ['2^53', '9007199254740992'],
    ['2^53 + 1', '9007199254740993'],
    ['an array', `[${NOW}]`],
    ['an object', `{"n":${NOW}}`],
  ];
  it.each(claims.flatMap((claim) => values.map(([name, value]) => [claim, name, value] as const)))(
    '%s that is %s is refused',
    async (claim, _name, value) => {
      expect(await judge(spelled(claim, value))).toBe('ticket_claims_invalid');
    },
  );

  it.each([
    ['exp of 0', { exp: 0 }],
    ['exp a year away', { exp: NOW + 31_536_000 }],
    ['exp in milliseconds', { exp: (NOW + 60) * 1000 }],
    ['exp 301 s after iat', { exp: NOW + 301 }],
    ['exp equal to iat', { iat: NOW + 60, nbf: NOW + 60, exp: NOW + 60 }],
    ['exp before iat', { iat: NOW + 61 }],
    ['iat long ago under a near exp', { iat: NOW - 86_400, nbf: NOW - 86_400 }],
    ['nbf after exp', { nbf: NOW + 61 }],
  ])('%s is refused', async (_name, claims) => {
    expect(await judgeClaims(claims)).toBe('ticket_claims_invalid');
  });

  it('written as a whole number in another notation is the same date', async () => {
    expect(await judge(spelled('exp', `${NOW + 60}.0`))).toBe('accepted');
    expect(await judge(spelled('exp', '170000006e1'))).toBe('accepted');
  });
});

describe('each claim', () => {
  const names = Object.keys(PAYLOAD);
  it.each(names)('%s missing is refused', async (claim) => {
    expect(await judgeClaims({ [claim]: undefined })).toBe('ticket_claims_invalid');
  });

  it.each(names.flatMap((claim) => [null, {}, [], true].map((value) => [claim, value] as const)))(
    '%s as %j is refused',
    async (claim, value) => {
      expect(await judgeClaims({ [claim]: value })).toBe('ticket_claims_invalid');
    },
  );

  it.each(names)('%s doubled: the last one decides and is the one that is handed on', async (claim) => {
    const good = JSON.stringify(Object.entries(PAYLOAD).find(([name]) => name === claim)?.[1]);
    expect(await judge(`{${MEMBERS},"${claim}":null}`)).toBe('ticket_claims_invalid');
    const token = await signPayload(signer, `{"${claim}":null,${MEMBERS},"${claim}":${good}}`);
    expect(await verifyTicket(token, expected)).toMatchObject({
      ok: true,
      value: { claims: TicketClaims.parse(PAYLOAD) },
    });
  });
});

describe('iss and aud are compared character by character', () => {
  const rows: [string, object, DenialReason][] = [
    ['iss in another case', { iss: 'https://Broker.example' }, 'ticket_issuer_wrong'],
    ['iss with a trailing slash', { iss: `${ISSUER}/` }, 'ticket_issuer_wrong'],
    ['iss with a user', { iss: 'https://x@broker.example' }, 'ticket_issuer_wrong'],
    ['iss with the default port', { iss: `${ISSUER}:443` }, 'ticket_issuer_wrong'],
    ['iss over plain http', { iss: 'http://broker.example' }, 'ticket_issuer_wrong'],
    ['iss with a trailing dot', { iss: `${ISSUER}.` }, 'ticket_issuer_wrong'],
    ['iss with a query', { iss: `${ISSUER}?` }, 'ticket_issuer_wrong'],
    ['iss with a suffix', { iss: `${ISSUER}.evil.example` }, 'ticket_issuer_wrong'],
    ['iss with a Cyrillic letter', { iss: 'https://br\u043eker.example' }, 'ticket_issuer_wrong'],
    ['iss in punycode', { iss: 'https://xn--brker-vqe.example' }, 'ticket_issuer_wrong'],
    ['iss in an array', { iss: [ISSUER] }, 'ticket_claims_invalid'],
    ['iss in two', { iss: [ISSUER, 'https://evil.example'] }, 'ticket_claims_invalid'],
    ['aud in an array', { aud: [AUDIENCE] }, 'ticket_claims_invalid'],
    ['aud among others', { aud: ['https://evil.example', AUDIENCE] }, 'ticket_claims_invalid'],
    ['no aud in an array', { aud: [] }, 'ticket_claims_invalid'],
    ['aud as an object', { aud: { 0: AUDIENCE } }, 'ticket_claims_invalid'],
    ['aud empty', { aud: '' }, 'ticket_claims_invalid'],
    ['aud in another case', { aud: 'https://AGENTS.example' }, 'ticket_audience_wrong'],
    ['aud with a trailing slash', { aud: `${AUDIENCE}/` }, 'ticket_audience_wrong'],
    ['aud with a space', { aud: `${AUDIENCE} ` }, 'ticket_audience_wrong'],
    ['aud with a NUL', { aud: `${AUDIENCE}\0` }, 'ticket_audience_wrong'],
    ['aud of the broker itself', { aud: ISSUER }, 'ticket_audience_wrong'],
  ];
  it.each(rows)('%s is refused', async (_name, claims, reason) => {
    expect(await judgeClaims(claims)).toBe(reason);
  });

  it.each([
    ` ${ISSUER}`,
    `${ISSUER} `,
    `${ISSUER}\n`,
    `\t${ISSUER}`,
    'https://bro\tker.example',
    `\ufeff${ISSUER}`,
    'broker',
    '',
  ])('iss %j is not the issuer: nothing is trimmed', async (iss) => {
    expect(['ticket_issuer_wrong', 'ticket_claims_invalid']).toContain(await judgeClaims({ iss }));
  });
});

describe('a claim of the wrong shape', () => {
  it.each([
    ...[
      1,
      '',
      'alice',
      'auth0',
      'auth0:',
      ':x',
      'Auth0:x',
      'a b:x',
      'x:\0',
      'x:\u00e9',
      'x:a\n',
      '\u0430uth0:x',
    ].map((sub) => ({ sub })),
    { sub: `x:${'y'.repeat(501)}` },
    ...['', '1', 'not-a-uuid', `${PAYLOAD.jti} `, `{${PAYLOAD.jti}}`, `urn:uuid:${PAYLOAD.jti}`].map(
      (jti) => ({ jti }),
    ),
    ...['Counter', 'counter_', 'counter-', '-a', 'a--b', 'a/b', '..', '', 'counter\n', 'a'.repeat(65)].map(
      (agent) => ({
        agent,
      }),
    ),
    ...[
      'a/b',
      'a%2Fb',
      '..',
      '.',
      '',
      'a b',
      'a\n',
      'a\0',
      'sub',
      'caf\u00e9',
      'cafe\u0301',
      'i'.repeat(129),
    ].map((instance) => ({ instance })),
    ...[
      '',
      ' ',
      'agent:connect ',
      ' agent:connect',
      'agent:connect  agent:message',
      'agent:connect\tagent:message',
    ].map((scope) => ({ scope })),
    ...['agent:*', '*', 'AGENT:CONNECT', 'keys:revoke', 'agent:connect,agent:message', 'agent:connect\n'].map(
      (scope) => ({ scope }),
    ),
    ...['root', 'Owner', 'owner ', '', 'constructor'].map((role) => ({ role })),
    ...['gold', 'Free', '', '__proto__'].map((tier) => ({ tier })),
    ...['sse', 'WebSocket', 'ws', ''].map((transport) => ({ transport })),
    ...['', 'c'.repeat(257), 7, ['x']].map((client_id) => ({ client_id })),
    ...[
      'x',
      {},
      { sub: 'x' },
      { sub: 'x:y', name: 'z' },
      { sub: 'x:y', act: {} },
      [{ sub: 'x:y' }],
      null,
    ].map((act) => ({ act })),
  ])('%j is refused', async (claims) => {
    expect(await judgeClaims(claims)).toBe('ticket_claims_invalid');
  });

  it.each(['\0', '\ud800', '\udc00x', 'a\nb', '\u202e'])('client_id with %j is refused', async (text) => {
    expect(await judge(`{${MEMBERS},"client_id":${JSON.stringify(`svc_1${text}`)}}`)).toBe(
      'ticket_claims_invalid',
    );
  });

  it.each(['sub', 'jti', 'agent', 'instance', 'scope', 'role', 'tier', 'transport'])(
    'a lone surrogate in %s is refused',
    async (claim) => {
      expect(await judge(TEXT.replace(`"${claim}":"`, `"${claim}":"\\ud800`))).toBe('ticket_claims_invalid');
    },
  );
});

describe('a claim that tickets do not have', () => {
  it.each([
    ['cnf', { cnf: { jkt: 'x' } }],
    ['cnf that is null', { cnf: null }],
    ['an e-mail', { email: 'a@b.example' }],
    ['a permission', { permissions: ['keys:revoke'] }],
    ['a nonce', { nonce: 'x' }],
    ['constructor', { constructor: {} }],
    ['an empty name', { '': 1 }],
    ['a known name in another case', { Exp: NOW + 60 }],
  ])('%s refuses the ticket', async (_name, claims) => {
    expect(await judgeClaims(claims)).toBe('ticket_claims_invalid');
  });

  it.each(['null', '{}', '{"role":"owner"}', '"x"'])('__proto__ as %s refuses the ticket', async (value) => {
    expect(await judge(`{${MEMBERS},"__proto__":${value}}`)).toBe('ticket_claims_invalid');
  });

  it('leaves no trace of its name or value in the denial', async () => {
    const token = await signPayload(signer, `{${MEMBERS},"s3cret":"s3cret","iat":"s3cret"}`);
    expect(JSON.stringify(await verifyTicket(token, expected))).not.toContain('s3cret');
  });
});

describe('a payload that is not one JSON object in UTF-8', () => {
  const utf8 = (text: string) => new TextEncoder().encode(text);
  it.each<[string, string | Uint8Array]>([
    ['an array', `[${TEXT}]`],
    ['a string', JSON.stringify(TEXT)],
    ['null', 'null'],
    ['a number', '1'],
    ['two objects', `${TEXT}${TEXT}`],
    ['JSON after a byte order mark', `\ufeff${TEXT}`],
    ['JSON with a comment', `{${MEMBERS}/**/}`],
    ['JSON with single quotes', TEXT.replaceAll('"', "'")],
    ['JSON with NaN', spelled('exp', 'NaN')],
    ['JSON cut short', TEXT.slice(0, -1)],
    ['a byte that is not UTF-8', Uint8Array.from([...utf8(TEXT).slice(0, 9), 0xff, ...utf8(TEXT).slice(9)])],
    ['an overlong form', Uint8Array.from([...utf8(TEXT).slice(0, 9), 0xc0, 0xaf, ...utf8(TEXT).slice(9)])],
    [
      'a surrogate in bytes',
      Uint8Array.from([...utf8(TEXT).slice(0, 9), 0xed, 0xa0, 0x80, ...utf8(TEXT).slice(9)]),
    ],
    ['UTF-16', Uint8Array.from([...TEXT].flatMap((character) => [character.charCodeAt(0), 0]))],
    ['500 arrays deep', '['.repeat(500) + ']'.repeat(500)],
    ['a claim 400 arrays deep', `{"sub":${'['.repeat(400)}${']'.repeat(400)}}`],
    [
      'an actor 50 deep without an end',
      `{${MEMBERS},"act":${'{"sub":"a:b","act":'.repeat(50)}0${'}'.repeat(50)}}`,
    ],
    ['one space', ' '],
  ])('%s is refused', async (_name, payload) => {
    expect(await judge(payload)).toBe('ticket_claims_invalid');
  });

  it('deeper than a ticket is long is refused unread', async () => {
    expect(await judge('['.repeat(10_000) + ']'.repeat(10_000))).toBe('ticket_malformed');
  });
});
