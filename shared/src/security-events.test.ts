import { describe, expect, it } from 'vitest';
import { dataPointOf, logWithPoints } from './security-events.ts';

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
      blobs: ['auth_success', 'POST', '/tickets', 'pro', 'token:1', 'service-token', '', '', ''],
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
      '',
      '',
    ]);
  });

  it('of a count represents that number of events', () => {
    const minute = '2027-01-15T08:00:00.000Z';
    const line = { event: 'refusals', minute, reason: 'ticket_missing', agent: 'counter', count: 5_000 };
    expect(dataPointOf(line)).toMatchObject({
      blobs: ['refusals', '', '', '', '', '', 'ticket_missing', 'counter', minute],
      doubles: [5_000],
    });
  });

  it('is written beside the line, where Analytics Engine is bound', () => {
    const [lines, points]: [object[], { indexes: readonly string[] }[]] = [[], []];
    const line = { event: 'auth_success' };
    logWithPoints((event) => lines.push(event), { writeDataPoint: (point) => points.push(point) })(line);
    logWithPoints((event) => lines.push(event), undefined)(line);
    expect([lines, points.map(({ indexes }) => indexes)]).toEqual([[line, line], [['auth_success']]]);
  });

  it.each(['refused', 'bug', undefined])('is not made of %s', (event) => {
    expect(dataPointOf({ event })).toBeUndefined();
  });
});
