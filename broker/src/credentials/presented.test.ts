import { describe, expect, it } from 'vitest';
import { presentedCredential } from './presented.ts';

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
