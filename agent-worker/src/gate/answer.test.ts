import { DENIALS, type DenialReason, ERROR_CODES } from '@agent-ticket/shared/denial.ts';
import { expect, test } from 'vitest';
import { corsHeaders, originAllowed, preflight, refuse, secureHeaders } from './answer.ts';

const REQUEST = new Request('https://agents.test/agents/counter/room-1');
const reasons = Object.entries(DENIALS).map(([reason, { code }]) => [reason, code] as const);
const isReason = (text: string): text is DenialReason => Object.hasOwn(DENIALS, text);

test.for(reasons)(
  '%s is answered as %s, with the request’s id and nothing to cache',
  async ([reason, code]) => {
    if (!isReason(reason)) throw new TypeError(reason);
    const answer = refuse(REQUEST, { reason, detail: 'for the log only' }, 'the-id');
    expect(answer.status).toBe(ERROR_CODES[code].status);
    expect(answer.headers.get('x-request-id')).toBe('the-id');
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
    expect(answer.headers.get('referrer-policy')).toBe('no-referrer');
    expect(answer.headers.get('strict-transport-security')).toBe('max-age=31536000');
    expect(answer.headers.get('content-security-policy')?.split('; ')).toEqual([
      "default-src 'none'",
      "form-action 'none'",
      "base-uri 'none'",
      "frame-ancestors 'none'",
    ]);
    expect(answer.headers.has('www-authenticate')).toBe(answer.status === 401);
    expect(answer.headers.has('retry-after')).toBe(answer.status === 429 || answer.status === 503);
    expect(await answer.json()).toEqual({
      error: { code, message: ERROR_CODES[code].message, request_id: 'the-id' },
    });
  },
);

test.for([
  ['none', {}, 'max-age=31536000'],
  ['its own', { 'strict-transport-security': 'max-age=60' }, 'max-age=60'],
] as const)('an agent’s answer with %s of HSTS has %j, and no policy of ours', ([, headers, value]) => {
  const passed = secureHeaders(new Headers(headers), 'x');
  expect(passed.get('strict-transport-security')).toBe(value);
  expect(passed.has('content-security-policy')).toBe(false);
});

test('names the methods there are, and when to come again', () => {
  const methods = refuse(REQUEST, { reason: 'method_not_allowed', allow: ['GET', 'POST'] }, 'x');
  expect(methods.headers.get('allow')).toBe('GET, POST');
  expect(refuse(REQUEST, { reason: 'keys_unavailable', retryAfter: 7 }, 'x').headers.get('retry-after')).toBe(
    '7',
  );
});

test('a preflight allows every method that is answered, and every header: an app has some of its own', () => {
  const { headers } = preflight('https://app.test', 'x', { transport: 'websocket' });
  expect(headers.get('access-control-allow-methods')).toBe('GET, HEAD, POST, PUT, PATCH, DELETE');
  expect(headers.get('access-control-allow-headers')).toBe('authorization, *');
});

const LIST = ['https://app.test', 'http://localhost:5173'];
const allows = (origin: string | null, allowed: readonly string[]): boolean =>
  originAllowed(
    new Request('https://agents.test/agents/a/b', { headers: origin === null ? {} : { origin } }),
    allowed,
  );

test.for([
  [null, true],
  ['https://app.test', true],
  ['http://localhost:5173', true],
  ['https://agents.test', true],
  ['http://agents.test', false],
  ['null', false],
  ['', false],
  ['https://app.test.evil.test', false],
  ['https://app.test/', false],
  ['HTTPS://APP.TEST', false],
  ['http://localhost:51730', false],
] as const)('origin %j is allowed: %j', ([origin, allowed]) => {
  expect(allows(origin, LIST)).toBe(allowed);
});

test('with an empty list only those pass who name no origin, or that of the worker', () => {
  const origins = ['https://app.test', 'null', null, 'https://agents.test'];
  expect(origins.map((origin) => allows(origin, []))).toEqual([false, false, true, true]);
});

test('an answer says that it varies, and never that it takes cookies', () => {
  for (const headers of [
    corsHeaders(null, undefined),
    corsHeaders('https://app.test', undefined),
    preflight('https://app.test', 'x', { transport: 'sse' }).headers,
  ]) {
    expect(headers.get('vary')).toBe('Origin');
    expect(headers.get('access-control-allow-credentials')).toBeNull();
  }
  expect(corsHeaders(null, undefined).get('access-control-allow-origin')).toBeNull();
  expect(preflight('https://app.test', 'x', { transport: 'websocket' }).status).toBe(204);
});
