import { CLOSES } from '@agent-ticket/shared/denial.ts';
import { expect, test } from 'vitest';
import { meaningOf } from './meaning.ts';

test.for(Object.entries(CLOSES))(
  '%s says why, what a client does, and what to do',
  ([reason, { code, client }]) => {
    const meaning = meaningOf(code, reason);
    expect(meaning.why).toMatch(/\.$/);
    expect(meaning.client).toBe(`A client that is told ${code} ${client}.`);
    expect(meaning.next).toMatch(/\.$/);
  },
);

test.for([
  [1006, ''],
  [1000, ''],
  [4001, 'forbidden'],
  [3000, 'constructor'],
] as const)('%d %s is not taken for one of ours', ([code, reason]) => {
  expect(meaningOf(code, reason)).toEqual({
    why: expect.stringContaining('without a word'),
    next: expect.any(String),
  });
});

test('a session that was ended from outside is told apart from a connection that was never let in', () => {
  expect(meaningOf(4003, 'forbidden', true).why).toContain('ended from outside');
  expect(meaningOf(4003, 'forbidden').why).toContain('another agent');
  expect(meaningOf(3000, 'session_expired', true)).toEqual(meaningOf(3000, 'session_expired'));
});
