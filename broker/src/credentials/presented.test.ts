import { describe, expect, it } from 'vitest';
import { presentedCredential, readBasic } from './presented.ts';

/** What is chosen, as one word and its text. */
const chosen = (headers: HeadersInit): string => {
  const outcome = presentedCredential(new Headers(headers));
  if (!outcome.ok) return outcome.denial.reason;
  const { value } = outcome;
  if (value.kind === 'none') return 'none';
  if (value.kind === 'session') return `session ${value.cookie.value}`;
  return value.kind === 'client-secret'
    ? `${value.clientId} ${value.secret}`
    : `${value.kind} ${value.token}`;
};

const PAIR = { 'cf-access-client-id': 'id', 'cf-access-client-secret': 'secret' };
const ASSERTION = { 'cf-access-jwt-assertion': 'assertion' };
const basic = (text: string) => ({ authorization: `Basic ${Buffer.from(text).toString('base64')}` });

it('the session cookie counts after every other credential, where it has a name', () => {
  const cookies = (cookie: string, name?: string) => presentedCredential(new Headers({ cookie }), name);
  expect(cookies('appSession=a')).toEqual({ ok: true, value: { kind: 'none' } });
  expect(cookies('appSession=a', 'appSession')).toMatchObject({
    value: { kind: 'session', cookie: { kept: 'server', value: 'a' } },
  });
  expect(cookies('CF_Authorization=b; appSession=a', 'appSession')).toMatchObject({
    value: { kind: 'access', token: 'b' },
  });
  expect(cookies('\u00a0__Host-session=a', '__Host-session')).toEqual({ ok: true, value: { kind: 'none' } });
  const header = { cookie: 'appSession=a', 'cf-access-jwt-assertion': 'c' };
  expect(presentedCredential(new Headers(header), 'appSession')).toMatchObject({ value: { token: 'c' } });
});

describe('the credential of a request', () => {
  it.each<[string, HeadersInit, RegExp]>([
    ['none', {}, /^none$/],
    ['the pair', PAIR, /^id secret$/],
    ['Basic', basic('id:secret'), /^id secret$/],
    ['Bearer', { authorization: 'Bearer token' }, /^bearer token$/],
    ['Bearer in any letters', { authorization: 'bEaReR token' }, /^bearer token$/],
    ['Bearer behind spaces', { authorization: 'Bearer    token' }, /^bearer token$/],
    ['the assertion', ASSERTION, /^access\S* assertion$/],
    ['the pair before the assertion', { ...PAIR, ...ASSERTION }, /^id secret$/],
    ['Bearer before the assertion', { authorization: 'Bearer token', ...ASSERTION }, /^bearer token$/],
    ['Basic before the assertion', { ...basic('id:secret'), ...ASSERTION }, /^id secret$/],
    ['no address that the edge adds', { 'cf-access-authenticated-user-email': 'a@b.c' }, /^none$/],
    ['no ticket', { 'sec-websocket-protocol': 'agent-ticket.v1, ticket' }, /^none$/],
    [
      'the assertion before a cookie',
      { ...ASSERTION, cookie: 'CF_Authorization=cookie' },
      /^access\S* assertion$/,
    ],
    ['the pair before a cookie', { ...PAIR, cookie: 'CF_Authorization=cookie' }, /^id secret$/],
  ])('is %s', (_what, headers, expected) => {
    expect(chosen(headers)).toMatch(expected);
  });

  it.each<[string, HeadersInit]>([
    ['the pair and Bearer', { ...PAIR, authorization: 'Bearer token' }],
    ['the pair and Basic', { ...PAIR, ...basic('id:secret') }],
    ['the pair and nonsense', { ...PAIR, authorization: 'nonsense' }],
    ['the pair and an empty Authorization', { ...PAIR, authorization: '' }],
    ['an id alone and Bearer', { 'cf-access-client-id': 'id', authorization: 'Bearer token' }],
    ['a secret alone and Bearer', { 'cf-access-client-secret': 's', authorization: 'Bearer token' }],
    ['two of Bearer in one header', { authorization: 'Bearer a, Bearer b' }],
    ['two of Bearer without a space', { authorization: 'Bearer a,bearer b' }],
    ['Bearer and Basic in one header', { authorization: 'Bearer a, Basic b' }],
    ['the pair twice', { 'cf-access-client-id': 'a, a', 'cf-access-client-secret': 'atk_a, atk_a' }],
  ])('is ambiguous where there are two explicit ones: %s', (_what, headers) => {
    expect(chosen(headers)).toBe('credential_ambiguous');
    expect(chosen({ ...Object.fromEntries(new Headers(headers)), ...ASSERTION })).toBe(
      'credential_ambiguous',
    );
  });

  it.each<[string, HeadersInit]>([
    ['an empty Authorization', { authorization: '' }],
    ['a scheme alone', { authorization: 'Bearer' }],
    ['a scheme and a space', { authorization: 'Bearer ' }],
    ['a token alone', { authorization: 'token' }],
    ['a token in two words', { authorization: 'Bearer to ken' }],
    ['a tab behind the scheme', { authorization: 'Bearer\ttoken' }],
    ['another scheme', { authorization: 'Digest token' }],
    ['a scheme that begins like one', { authorization: 'Bearers token' }],
    ['a scheme with a colon', { authorization: 'Bearer: token' }],
    ['a list of other things', { authorization: 'Digest a=b, Bearer c' }],
    ['Basic that is none', { authorization: 'Basic !' }],
    ['an id without a secret', { 'cf-access-client-id': 'id' }],
    ['a secret without an id', { 'cf-access-client-secret': 'secret' }],
  ])('is malformed, and no other is tried: %s', (_what, headers) => {
    expect(chosen(headers)).toBe('credential_malformed');
    expect(chosen({ ...Object.fromEntries(new Headers(headers)), ...ASSERTION })).toBe(
      'credential_malformed',
    );
  });

  it('that came twice is ambiguous, not one of the two', () => {
    const headers = new Headers([
      ['authorization', 'Bearer a'],
      ['authorization', 'Bearer b'],
    ]);
    expect(chosen(headers)).toBe('credential_ambiguous');
  });
});

const utf8 = (text: string): string => Buffer.from(text, 'utf8').toString('base64');

describe('Basic', () => {
  it.each([
    ['a plain pair', 'svc_1:secret', 'svc_1', 'secret'],
    ['a colon in the secret', 'svc_1:se:cr:et', 'svc_1', 'se:cr:et'],
    ['a secret that begins with a colon', 'svc_1::x', 'svc_1', ':x'],
    ['a colon in the id, escaped', 'svc%3A1:secret', 'svc:1', 'secret'],
    ['an empty secret', 'svc_1:', 'svc_1', ''],
    ['a plus for a space', 'a+b:c+d', 'a b', 'c d'],
    ['an escaped plus', 'a%2Bb:c%2bd', 'a+b', 'c+d'],
    ['an escaped percent sign', 'a%25b:c%2525d', 'a%b', 'c%25d'],
    ['letters that are not ASCII', 'zoë:€𝄞', 'zoë', '€𝄞'],
    ['letters that are not ASCII, escaped', 'zo%C3%AB:%E2%82%AC', 'zoë', '€'],
    ['white space inside', 'a b:\tc\n', 'a b', '\tc\n'],
    ['a byte order mark as a letter', '\ufeffa:b', '\ufeffa', 'b'],
  ])('of %s is read', (_what, pair, clientId, secret) => {
    expect(readBasic(utf8(pair))).toEqual({ ok: true, value: { kind: 'client-secret', clientId, secret } });
  });

  it('is read without padding as well', () => {
    expect(readBasic(utf8('ab:cd').replace(/=+$/, ''))).toMatchObject({ ok: true });
  });

  it.each([
    ['nothing', ''],
    ['no base64', '!!!'],
    ['base64url', '-_-_'],
    ['a length that no base64 has', 'YWJjZ'],
    ['no colon', utf8('nocolon')],
    ['no id', utf8(':secret')],
    ['a colon alone', utf8(':')],
    ['a broken escape in the id', utf8('%zz:secret')],
    ['a broken escape in the secret', utf8('id:100%')],
    ['an escape of broken UTF-8', utf8('%ff:secret')],
    ['half of an escaped surrogate pair', utf8('%ED%A0%80:secret')],
    ['Latin-1', Buffer.from('zoë:secret', 'latin1').toString('base64')],
    ['bytes that are no text', Buffer.from([0xc3, 0x28, 0x3a, 0x61]).toString('base64')],
  ])('of %s is malformed, and nothing of it is repeated', (_what, encoded) => {
    const outcome = readBasic(encoded);
    expect(outcome).toMatchObject({ ok: false, denial: { reason: 'credential_malformed' } });
    if (encoded.length > 4) expect(JSON.stringify(outcome)).not.toContain(encoded);
  });
});
