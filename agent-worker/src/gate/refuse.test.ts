import { DENIALS, type DenialReason, ERROR_CODES } from '@agent-ticket/shared/denial.ts';
import { expect, test } from 'vitest';
import { isUpgrade, refuse } from './refuse.ts';

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
    expect(answer.headers.has('www-authenticate')).toBe(answer.status === 401);
    expect(answer.headers.has('retry-after')).toBe(answer.status === 429 || answer.status === 503);
    expect(await answer.json()).toEqual({
      error: { code, message: ERROR_CODES[code].message, request_id: 'the-id' },
    });
  },
);

test('names the methods there are, and when to come again', () => {
  const methods = refuse(REQUEST, { reason: 'method_not_allowed', allow: ['GET', 'POST'] }, 'x');
  expect(methods.headers.get('allow')).toBe('GET, POST');
  expect(refuse(REQUEST, { reason: 'keys_unavailable', retryAfter: 7 }, 'x').headers.get('retry-after')).toBe(
    '7',
  );
});

test('an upgrade is one in any spelling of its header, and only to a WebSocket', () => {
  const values = ['websocket', 'WebSocket', 'WEBSOCKET', 'h2c', 'websocket, h2c', ''];
  expect(values.filter((upgrade) => isUpgrade(new Headers({ upgrade })))).toEqual(values.slice(0, 3));
  expect(isUpgrade(new Headers())).toBe(false);
});
