import { expect, test } from 'vitest';
import { describeReceipt, readSessions } from './sessions-panel.ts';

const ROW = {
  id: 's-1',
  agent: 'counter',
  instance: 'demo',
  role: 'viewer',
  jti: 'j-1',
  started_at: '2023-11-14T22:13:20.000Z',
};

test('live sessions are read, and malformed ones are left out', () => {
  expect(readSessions({ items: [ROW, {}, null, { ...ROW, started_at: 'x' }], next_cursor: null })).toEqual([
    {
      id: 's-1',
      agent: 'counter',
      instance: 'demo',
      role: 'viewer',
      jti: 'j-1',
      startedAt: 1_700_000_000_000,
    },
  ]);
  expect(readSessions(undefined)).toEqual([]);
});

test.for([
  [{ receipt: { closed: 1, ms: 12.4 } }, 'Ended: its socket was closed in 12 ms.'],
  [{ receipt: { closed: 0 } }, 'Ended: 0 sockets were closed.'],
  [{}, 'The broker ended it.'],
] as const)('%j is described as "%s"', ([body, text]) => {
  expect(describeReceipt(body)).toBe(text);
});
