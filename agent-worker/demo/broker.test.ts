import { expect, onTestFinished, test, vi } from 'vitest';
import { createRequestBroker, describeRefusal, refusalOf } from './broker.ts';

const REFUSED = '{"error":{"code":"FORBIDDEN","message":"not allowed","request_id":"r-1"}}';

test('a refusal of the broker is described in its own words, with the request id of its log', () => {
  const refusal = refusalOf(403, REFUSED, new Headers({ 'x-request-id': 'r-1' }));
  expect(refusal).toEqual({ status: 403, code: 'FORBIDDEN', message: 'not allowed', requestId: 'r-1' });
  expect(describeRefusal(refusal)).toMatch(/^403 FORBIDDEN: not allowed\. .+ Request r-1\.$/);
});

test('a refusal with Retry-After is described with the wait', () => {
  const text = '{"error":{"code":"RATE_LIMITED","message":"too many requests"}}';
  const refusal = refusalOf(429, text, new Headers({ 'retry-after': '17' }));
  expect(describeRefusal(refusal)).toBe('429 RATE_LIMITED: too many requests. Try again in 17 seconds.');
});

test.for(['<html>blocked</html>', '', 'null', '{"error":"no"}'])('%j is described by its status', (text) => {
  expect(refusalOf(502, text, new Headers())).toMatchObject({ status: 502, code: 'HTTP 502' });
});

test('an answer that breaks off is no answer', async () => {
  onTestFinished(() => void vi.unstubAllGlobals());
  vi.stubGlobal('location', { origin: 'https://page.test' });
  vi.stubGlobal('fetch', async () => new Response(new ReadableStream({ pull: breakOff })));
  const answer = await createRequestBroker('https://broker.test')('signed-in', 'GET', '/me');
  expect(answer).toMatchObject({ ok: false, refusal: { status: 0, code: 'no answer' } });
});

const breakOff = (controller: ReadableStreamDefaultController): void =>
  controller.error(new TypeError('network error'));
