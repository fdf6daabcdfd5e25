import { expect, it } from 'vitest';
import { createRefusalTally } from './refusal-tally.ts';
import { logWithPoints } from './security-events.ts';

const START = Date.parse('2027-01-15T08:00:30Z');

it('reports each minute once it is over, one line for each reason and agent, however many there were', () => {
  const lines: unknown[] = [];
  const tally = createRefusalTally((line) => lines.push(line));
  for (let n = 0; n < 10_000; n += 1)
    tally.count('ticket_signature_invalid', n % 2 === 0 ? 'counter' : 'lobby', START + n);
  tally.count('route_unknown', undefined, START + 29_999);
  expect(lines).toEqual([]);
  tally.count('ticket_missing', 'counter', START + 30_000);
  const minute = '2027-01-15T08:00:00.000Z';
  expect(lines).toEqual([
    { event: 'refusals', minute, reason: 'ticket_signature_invalid', agent: 'counter', count: 5_000 },
    { event: 'refusals', minute, reason: 'ticket_signature_invalid', agent: 'lobby', count: 5_000 },
    { event: 'refusals', minute, reason: 'route_unknown', count: 1 },
  ]);
  tally.count('ticket_missing', 'counter', START + 200_000);
  expect(lines.slice(3)).toEqual([
    {
      event: 'refusals',
      minute: '2027-01-15T08:01:00.000Z',
      reason: 'ticket_missing',
      agent: 'counter',
      count: 1,
    },
  ]);
});

it('reports a minute with the first request of a later one, refused or not, and once', () => {
  const lines: unknown[] = [];
  const tally = createRefusalTally((line) => lines.push(line));
  tally.flush(START);
  tally.count('ticket_missing', 'counter', START);
  tally.flush(START + 29_999);
  expect(lines).toEqual([]);
  tally.flush(START + 30_000);
  tally.flush(START + 90_000);
  expect(lines).toMatchObject([{ reason: 'ticket_missing', minute: '2027-01-15T08:00:00.000Z', count: 1 }]);
});

it('of several isolates adds up by minute, reason and agent, whenever each of them reports', () => {
  const points: { blobs: readonly string[]; doubles: readonly number[] }[] = [];
  const isolates = Array.from({ length: 5 }, () =>
    createRefusalTally(logWithPoints(() => {}, { writeDataPoint: (point) => points.push(point) })),
  );
  for (const [n, tally] of isolates.entries()) {
    for (let each = 0; each <= n; each += 1) tally.count('ticket_missing', 'counter', START);
    tally.count('ticket_missing', 'lobby', START);
    tally.flush(START + 60_000 * (n + 1));
  }
  const sums = new Map<string, number>();
  for (const { blobs, doubles } of points) {
    const key = [blobs[8], blobs[6], blobs[7]].join(' ');
    sums.set(key, (sums.get(key) ?? 0) + (doubles[0] ?? 0));
  }
  const minute = '2027-01-15T08:00:00.000Z';
  expect(Object.fromEntries(sums)).toEqual({
    [`${minute} ticket_missing counter`]: 15,
    [`${minute} ticket_missing lobby`]: 5,
  });
  expect(points).toHaveLength(10);
});
