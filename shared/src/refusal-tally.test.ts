import { expect, it } from 'vitest';
import { createRefusalTally, type RefusalCount } from './refusal-tally.ts';

const START = Date.parse('2027-01-15T08:00:30Z');

it('reports each minute once it is over, one line for each reason and agent, however many there were', () => {
  const lines: RefusalCount[] = [];
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
