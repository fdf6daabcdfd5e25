import { expect, it } from 'vitest';
import { EmailAddress, foldAddress } from './email-address.ts';

it.each([
  'a@example.com',
  'josé@example.com',
  '用户@例子.广告',
  'δοκιμή@παράδειγμα.δοκιμή',
  'a@bücher.example',
  "o'hara+x@example.co.uk",
  'a..b@example.com',
  'root@localhost',
])('%s is an address', (address) => {
  expect(EmailAddress.parse(address)).toBe(address);
});

it.each([
  undefined,
  null,
  '',
  42,
  ['a@example.com'],
  'no address',
  'a@b@c',
  'a b@example.com',
  'a@example.com\n',
  'a\u0000@example.com',
  'a\u202e@example.com',
  `${'a'.repeat(320)}@example.com`,
])('%j counts as none and refuses nobody', (address) => {
  expect(EmailAddress.parse(address)).toBeUndefined();
});

it.each([
  ['Kate@EXAMPLE.com', 'kate@example.com'],
  ['\u212Aate@example.com', '\u212Aate@example.com'],
  ['a@example.\u0130o', 'a@example.\u0130o'],
  ['JOSÉ@example.com', 'josÉ@example.com'],
])('%j is compared as %j', (address, folded) => {
  expect(foldAddress(address)).toBe(folded);
});
