import { describe, expect, it } from 'vitest';
import {
  CLOSES,
  type CloseReason,
  closeFrameOf,
  DENIALS,
  type DenialReason,
  ERROR_CODES,
  type ErrorCode,
  httpErrorOf,
} from './denial.ts';
import { err, ok } from './outcome.ts';

const keysOf = <K extends string>(record: Record<K, unknown>): K[] => Object.keys(record) as K[];
const reasons = keysOf(DENIALS);

describe('the error codes', () => {
  it('are the documented ones, each with its status', () => {
    const statuses = Object.fromEntries(keysOf(ERROR_CODES).map((code) => [code, ERROR_CODES[code].status]));
    expect(statuses).toEqual({
      BAD_REQUEST: 400,
      UNAUTHORIZED: 401,
      TOKEN_EXPIRED: 401,
      FORBIDDEN: 403,
      NOT_FOUND: 404,
      METHOD_NOT_ALLOWED: 405,
      CONFLICT: 409,
      PAYLOAD_TOO_LARGE: 413,
      UNSUPPORTED_MEDIA_TYPE: 415,
      RATE_LIMITED: 429,
      INTERNAL: 500,
      UNAVAILABLE: 503,
    } satisfies Record<ErrorCode, number>);
  });

  it.each(keysOf(ERROR_CODES))('%s is the code of some refusal', (code) => {
    expect(reasons.some((reason) => DENIALS[reason].code === code)).toBe(true);
  });
});

describe('the close codes', () => {
  it('are the documented ones', () => {
    const codes = Object.fromEntries(keysOf(CLOSES).map((reason) => [reason, CLOSES[reason].code]));
    expect(codes).toEqual({
      ticket_expired: 3000,
      ticket_used: 3000,
      session_expired: 3000,
      rights_changed: 3000,
      bad_request: 4000,
      unauthorized: 4001,
      forbidden: 4003,
      not_found: 4004,
      idle: 4008,
      frame_too_large: 1008,
      too_many_messages: 1008,
      internal: 1011,
      restarting: 1012,
      rate_limited: 1013,
      too_many_sockets: 1013,
      unavailable: 1013,
    } satisfies Record<CloseReason, number>);
  });

  it.each(keysOf(CLOSES))('%s: the stock client stops exactly where ours should', (reason) => {
    const { code, client } = CLOSES[reason];
    const stockStops = code === 1008 || (code >= 4000 && code <= 4999);
    // An idle socket is left closed on purpose: the client opens another when the person returns.
    const oursStops = client.startsWith('stops') || reason === 'idle';
    expect(stockStops).toBe(oursStops);
  });

  it.each(keysOf(CLOSES))('%s is a text that a close frame may carry', (reason) => {
    expect(reason).toMatch(/^[a-z_]{1,123}$/);
  });

  it.each(keysOf(CLOSES))('%s has a code that an application may send', (reason) => {
    const { code } = CLOSES[reason];
    expect(code === 1008 || (code >= 1011 && code <= 1013) || (code >= 3000 && code <= 4999)).toBe(true);
  });
});

describe('the rows', () => {
  it.each(reasons)('%s has a row with a known code and close reason', (reason) => {
    expect(reason).toMatch(/^[a-z]+(_[a-z]+)*$/);
    expect(ERROR_CODES).toHaveProperty(DENIALS[reason].code);
    expect(CLOSES).toHaveProperty(DENIALS[reason].close);
  });

  it.each(reasons)('%s means the same over HTTP and on a socket', (reason) => {
    const { status, code } = httpErrorOf({ reason });
    const close = closeFrameOf({ reason });
    const lasting = close.code === 1008 || close.code >= 4000;
    const story: Record<number, boolean> = {
      400: close.reason === 'bad_request',
      // Idleness only ever meets a socket.
      401: close.reason === 'unauthorized' || close.reason === 'idle' || close.code === 3000,
      403: close.reason === 'forbidden',
      404: close.reason === 'not_found',
      405: close.reason === 'bad_request',
      409: close.reason === 'bad_request',
      413: lasting,
      415: close.reason === 'bad_request',
      // A client that floods an open socket is broken and stops; one that asks too often comes back.
      429: close.code === 1013 || close.reason === 'too_many_messages',
      500: close.code === 1011,
      503: close.code === 1013,
    };
    expect([reason, code, close.reason, story[status]]).toEqual([reason, code, close.reason, true]);
  });

  it.each([
    ['unknown, disabled and invisible agents', ['agent_unknown', 'agent_invisible', 'instance_unlisted']],
    [
      'every way in which a credential is wrong',
      ['credential_unknown', 'credential_secret_wrong', 'credential_revoked'],
    ],
    ['every forged ticket', ['ticket_header_invalid', 'ticket_key_unknown', 'ticket_signature_invalid']],
    [
      'a wrong issuer and a wrong audience',
      ['ticket_issuer_wrong', 'ticket_audience_wrong', 'ticket_claims_invalid'],
    ],
    ['what a wrong route is', ['ticket_agent_wrong', 'ticket_instance_wrong', 'ticket_transport_wrong']],
  ] as const)('%s look the same from outside', (_name, alike: readonly DenialReason[]) => {
    expect(new Set(alike.map((reason) => JSON.stringify(httpErrorOf({ reason })))).size).toBe(1);
    expect(new Set(alike.map((reason) => JSON.stringify(closeFrameOf({ reason })))).size).toBe(1);
  });

  it('an outage is never reported as a refusal of the credential', () => {
    const outages = reasons.filter((reason) => reason.endsWith('_unavailable'));
    expect(outages.length).toBeGreaterThan(2);
    expect(outages.filter((reason) => httpErrorOf({ reason }).status !== 503)).toEqual([]);
    expect(outages.filter((reason) => closeFrameOf({ reason }).code !== 1013)).toEqual([]);
  });

  it('a ticket just expired sends the client for another, one long expired does not', () => {
    expect(closeFrameOf({ reason: 'ticket_expired' })).toEqual({ code: 3000, reason: 'ticket_expired' });
    expect(closeFrameOf({ reason: 'ticket_long_expired' })).toEqual({ code: 4001, reason: 'unauthorized' });
    expect(closeFrameOf({ reason: 'ticket_used' })).toEqual({ code: 3000, reason: 'ticket_used' });
  });
});

describe('the outside text', () => {
  it.each(reasons)('%s shows neither the inner reason nor what only logs may hold', (reason) => {
    const denial = { reason, detail: 's3cret', retryAfter: 3, allow: ['GET'] };
    const face = JSON.stringify([httpErrorOf(denial), closeFrameOf(denial)]);
    expect(face).not.toContain('s3cret');
    expect(httpErrorOf(denial).message).toBe(ERROR_CODES[DENIALS[reason].code].message);
  });

  it('names the field that is at fault and a hint of ours', () => {
    const message = (more: object) => httpErrorOf({ reason: 'field_invalid', ...more }).message;
    expect(message({ field: 'instance' })).toBe('the request is not valid: instance');
    expect(message({ hint: 'use one' })).toBe('the request is not valid (use one)');
    expect(message({ field: 'scope', hint: 'use one' })).toBe('the request is not valid: scope (use one)');
  });

  it('is in lower case without a full stop', () => {
    const odd = keysOf(ERROR_CODES).filter((code) => !/^[a-z][a-z/ ]*[a-z]$/.test(ERROR_CODES[code].message));
    expect(odd).toEqual([]);
  });
});

describe('an outcome', () => {
  it('is a value or a denial with its facts', () => {
    expect(ok(0)).toEqual({ ok: true, value: 0 });
    expect(err('locked')).toEqual({ ok: false, denial: { reason: 'locked' } });
    expect(err('rate_limited', { retryAfter: 9 })).toEqual({
      ok: false,
      denial: { reason: 'rate_limited', retryAfter: 9 },
    });
  });
});
