import { describe, expect, it } from 'vitest';
import { dataPointOf } from './security-events.ts';

describe('a point of Analytics Engine', () => {
  it('is made of a security event, its members in their places and nothing else', () => {
    const line = {
      event: 'auth_success',
      method: 'POST',
      path: '/tickets',
      tier: 'pro',
      principal: 'token:1',
      auth_method: 'service-token',
      request_id: 'r',
      other: 'x',
    };
    expect(dataPointOf(line)).toEqual({
      indexes: ['auth_success'],
      blobs: ['auth_success', 'POST', '/tickets', 'pro', 'token:1', 'service-token', ''],
      doubles: [1],
    });
  });

  it('leaves empty what an event does not say', () => {
    expect(dataPointOf({ event: 'auth_failure', reason: 'credential_unknown', path: 7 })?.blobs).toEqual([
      'auth_failure',
      '',
      '',
      '',
      '',
      '',
      'credential_unknown',
    ]);
  });

  it.each(['refused', 'bug', undefined])('is not made of %s', (event) => {
    expect(dataPointOf({ event })).toBeUndefined();
  });
});
