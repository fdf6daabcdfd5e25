import { CLOSES } from '@agent-ticket/shared/denial.ts';
import { expect, test } from 'vitest';
import { explainClose } from './close-explanations.ts';

test.for(Object.entries(CLOSES))(
  '%s has its cause, the reaction of a client, and the next step',
  ([reason, { code, client }]) => {
    const explanation = explainClose(code, reason);
    expect(explanation.why).toMatch(/\.$/);
    expect(explanation.client).toBe(`A client that receives ${code} ${client}.`);
    expect(explanation.next).toMatch(/\.$/);
  },
);

test.for([
  [1006, ''],
  [1000, ''],
  [4001, 'forbidden'],
  [3000, 'constructor'],
] as const)('%d %s is no close of the worker', ([code, reason]) => {
  expect(explainClose(code, reason)).toEqual({
    why: expect.stringContaining('without a word'),
    next: expect.any(String),
  });
});

test('the end of a session from outside differs from a refused connection', () => {
  expect(explainClose(4003, 'forbidden', true).why).toContain('ended from outside');
  expect(explainClose(4003, 'forbidden').why).toContain('another agent');
  expect(explainClose(3000, 'session_expired', true)).toEqual(explainClose(3000, 'session_expired'));
});
