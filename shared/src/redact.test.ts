import { expect, test } from 'vitest';
import { describeError } from './describe-error.ts';
import { redact } from './redact.ts';

const SECRET = `atk_${'a1'.repeat(11)}_${'a1B'.repeat(16)}z`;
const TOKEN = 'eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln';

test.each([
  ['curl/8.5.0', 'curl/8.5.0'],
  [`curl ${SECRET}`, 'curl [redacted]'],
  [`a ${TOKEN} b`, 'a [redacted] b'],
  [TOKEN.slice(0, 25), '[redacted]'],
  [
    'https://a.test/x?callback_token=acb_v1.k-y_.id.1.m-c_ more',
    'https://a.test/x?callback_token=[redacted] more',
  ],
  ['x'.repeat(300), 'x'.repeat(256)],
  ['half \ud83d of a character', 'half \ufffd of a character'],
  ['\udc00\ud800', '\ufffd\ufffd'],
  [`${'x'.repeat(255)}😀`, `${'x'.repeat(255)}\ufffd`],
  ['a whole 😀', 'a whole 😀'],
])('%s is kept as %s', (text, kept) => {
  expect(redact(text)).toBe(kept);
});

test('a credential that the length cuts leaves nothing of itself', () => {
  expect(redact(`${'x'.repeat(250)}${SECRET}`)).not.toContain('atk');
});

test('an error is described without its message, however many lines that has', () => {
  const text = describeError(new TypeError(`first ${SECRET}\n  at ${SECRET}`, { cause: new Error(TOKEN) }));
  expect(text.startsWith('TypeError')).toBe(true);
  expect(text).not.toContain('atk_');
  expect(text).not.toContain('eyJ');
});

test('an error is described with the code of the system that one of its causes has, and with no other text of it', () => {
  const cause = Object.assign(new Error(SECRET), { code: 'SELF_SIGNED_CERT_IN_CHAIN' });
  expect(describeError(new TypeError('fetch failed', { cause }))).toMatch(
    /^TypeError \(SELF_SIGNED_CERT_IN_CHAIN\)/,
  );
  for (const code of [SECRET, TOKEN, 'A'.repeat(49), 'two words', 7])
    expect(describeError(Object.assign(new Error('x'), { code }))).toMatch(/^Error( <|$)/);
  const circle = new Error('x');
  circle.cause = circle;
  expect(describeError(circle)).toMatch(/^Error( <|$)/);
});

test('what is thrown and is no error is described by its type', () => {
  expect(describeError(SECRET)).toBe('string');
});
