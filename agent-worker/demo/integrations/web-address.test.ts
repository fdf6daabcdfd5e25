import { expect, test } from 'vitest';
import { webAddress } from './web-address.ts';

test.for(['https://id.example/authorize?x=1', 'http://localhost:8790/tools/authorize'])(
  '%s may be opened',
  (url) => {
    expect(webAddress(url, 'http:')).toBe(url);
  },
);

test.for([
  'javascript:alert(1)',
  ' JavaScript:alert(1)//https://id.example',
  'java\nscript:alert(1)',
  'data:text/html,<script>alert(1)</script>',
  'blob:https://agents.example/1',
  'file:///etc/passwd',
  '/authorize',
  '',
  null,
  { href: 'https://id.example' },
])('%j may not', (url) => {
  expect(webAddress(url, 'http:')).toBeUndefined();
});

test('a page with TLS opens no address without it', () => {
  expect(webAddress('http://id.example/authorize', 'https:')).toBeUndefined();
  expect(webAddress('https://id.example/authorize', 'https:')).toBe('https://id.example/authorize');
});
