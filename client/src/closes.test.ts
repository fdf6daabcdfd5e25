import { CLOSES } from '@agent-ticket/shared/denial.ts';
import { expect, test } from 'vitest';
import { describeClose } from './closes.ts';

test.for(Object.entries(CLOSES))('%s of the agent worker has a text', ([reason, { code }]) => {
  expect(describeClose({ code, reason })).toEqual({ reason, text: expect.stringMatching(/\.$/) });
});

test('the two limits behind 1008 have different texts', () => {
  const texts = ['frame_too_large', 'too_many_messages'].map(
    (reason) => describeClose({ code: 1008, reason }).text,
  );
  expect(new Set(texts).size).toBe(2);
});

test.for([
  [4001, 'token_expired', 'unauthorized'],
  [4000, 'payload_too_large', 'bad_request'],
  [4003, '', 'forbidden'],
  [4004, 'anything', 'not_found'],
  [1000, '', 'closed'],
  [1001, 'going away', 'closed'],
  [1005, '', 'connection_lost'],
  [1006, '', 'connection_lost'],
  [1000, 'timeout', 'connection_lost'],
  // A reason counts with its own code only.
  [1000, 'unauthorized', 'closed'],
  [1008, 'policy', 'other'],
  [4999, 'constructor', 'other'],
  [4999, '__proto__', 'other'],
  [Number.NaN, '', 'other'],
] as const)('%i %j is %s', ([code, reason, expected]) => {
  expect(describeClose({ code, reason }).reason).toBe(expected);
});
