import { expect, test } from 'vitest';
import { describeRefusal, refusalOf } from './broker.ts';

const REFUSED = '{"error":{"code":"FORBIDDEN","message":"not allowed","request_id":"r-1"}}';

test('a refusal of the broker is told in its own words, with the request that its log names', () => {
  const refusal = refusalOf(403, REFUSED, new Headers({ 'x-request-id': 'r-1' }));
  expect(refusal).toEqual({ status: 403, code: 'FORBIDDEN', message: 'not allowed', requestId: 'r-1' });
  expect(describeRefusal(refusal)).toMatch(/^403 FORBIDDEN: not allowed\. .+ Request r-1\.$/);
});

test('a refusal that says when to come back is told with that', () => {
  const text = '{"error":{"code":"RATE_LIMITED","message":"too many requests"}}';
  const refusal = refusalOf(429, text, new Headers({ 'retry-after': '17' }));
  expect(describeRefusal(refusal)).toBe('429 RATE_LIMITED: too many requests. Try again in 17 seconds.');
});

test.for(['<html>blocked</html>', '', 'null', '{"error":"no"}'])('%j is named by its status', (text) => {
  expect(refusalOf(502, text, new Headers())).toMatchObject({ status: 502, code: 'HTTP 502' });
});
