import { expect, test } from 'vitest';
import { corsHeaders, originAllowed, preflight } from './origin.ts';

const LIST = ['https://app.test', 'http://localhost:5173'];

test.for([
  [null, true],
  ['https://app.test', true],
  ['http://localhost:5173', true],
  ['null', false],
  ['', false],
  ['https://app.test.evil.test', false],
  ['https://app.test/', false],
  ['HTTPS://APP.TEST', false],
  ['http://localhost:51730', false],
] as const)('origin %j is allowed: %j', ([origin, allowed]) => {
  expect(originAllowed(origin, LIST)).toBe(allowed);
});

test('with an empty list only those pass who name no origin', () => {
  expect(['https://app.test', 'null', null].map((origin) => originAllowed(origin, []))).toEqual([
    false,
    false,
    true,
  ]);
});

test('an answer says that it varies, and never that it takes cookies', () => {
  for (const headers of [
    corsHeaders(null),
    corsHeaders('https://app.test'),
    preflight('https://app.test').headers,
  ]) {
    expect(headers.get('vary')).toBe('Origin');
    expect(headers.get('access-control-allow-credentials')).toBeNull();
  }
  expect(corsHeaders(null).get('access-control-allow-origin')).toBeNull();
  expect(preflight('https://app.test').status).toBe(204);
});
