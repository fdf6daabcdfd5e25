import { expect, test } from 'vitest';
import { CLAIMS } from './test-claims.ts';
import { findTicket, readTicket } from './ticket-text.ts';

const part = (value: unknown): string =>
  btoa(String.fromCharCode(...new TextEncoder().encode(JSON.stringify(value))))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');
const made = (claims: unknown): string => `${part({ alg: 'ES256' })}.${part(claims)}.c2lnbmF0dXJl`;
const TICKET = made(CLAIMS);

test('a ticket is read for show, alone or inside the whole answer of the broker', () => {
  const read = { ok: true, value: { text: TICKET, header: { alg: 'ES256' }, claims: CLAIMS } };
  expect(readTicket(TICKET)).toEqual(read);
  expect(findTicket(`\n ${TICKET} `)).toEqual(read);
  expect(findTicket(JSON.stringify({ ticket: TICKET, expires_in: 60 }, null, 2))).toEqual(read);
});

test('claims in any language are read', () => {
  const found = readTicket(made({ ...CLAIMS, sub: 'auth0:tenant:日本' }));
  expect(found.ok && found.value.claims.sub).toBe('auth0:tenant:日本');
});

test.for([
  ['nothing', '  ', 'Paste the ticket first'],
  ['half an answer', '{"ticket":"ey', 'Copy all of it'],
  ['an answer without a ticket', '{"jti":"x"}', 'no ticket in that answer'],
  ['a refusal', '{"error":{"code":"UNAUTHORIZED","message":"a valid credential is needed"}}', 'UNAUTHORIZED'],
  ['two parts', 'a.b', 'three parts'],
  ['parts that are not base64url of JSON', 'a.b.c', 'three parts'],
  ['bytes that are not UTF-8', `${part({})}._w.c2ln`, 'three parts'],
  ['a list for claims', `${part({})}.${part([])}.c2ln`, 'three parts'],
  ['a ticket with a claim missing', made({ ...CLAIMS, agent: undefined }), 'no ticket of this broker'],
  ['a ticket with a date that is none', made({ ...CLAIMS, exp: '1' }), 'no ticket of this broker'],
  ['a ticket with other characters behind it', `${TICKET}!`, 'three parts'],
] as const)('%s is explained', ([, pasted, told]) => {
  expect(findTicket(pasted)).toEqual({ ok: false, fault: expect.stringContaining(told) });
});
