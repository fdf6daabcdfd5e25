import { expect, test } from 'vitest';
import { describeExplanation } from './explanation-panel.ts';

const REFUSED = {
  principal: 'access:t:user:1',
  allowed: false,
  role: null,
  scope: null,
  would_claim: false,
  rules: [
    { rule: 'the agent exists and is enabled', holds: true },
    { rule: 'the scope lies within the role', holds: false },
  ],
  grants: [],
};
const ALLOWED = {
  ...REFUSED,
  allowed: true,
  role: 'admin',
  scope: 'agent:connect',
  rules: [{ rule: 'the agent exists and is enabled', holds: true }],
  grants: [{ role: 'admin', instance: '*', subject: 'group:x:y' }],
};
const read = (body: unknown) => {
  const explanation = describeExplanation(body);
  if (explanation === undefined) throw new Error('not an explanation');
  return explanation;
};

test('a refusal names the rule that does not hold', () => {
  expect(read(REFUSED).decision).toBe('Refused, because this does not hold: the scope lies within the role.');
  expect(read(REFUSED).rules.map(({ holds }) => holds)).toEqual([true, false]);
  expect(read(REFUSED).grants).toBe('No grant names you here.');
});

test('a permission names role, scope and grants', () => {
  expect(read(ALLOWED).decision).toBe('Allowed, with the role admin. A ticket would carry: agent:connect.');
  expect(read(ALLOWED).grants).toBe('Grants that count: admin on instance *, given to group:x:y.');
  expect(read({ ...ALLOWED, grants: [] }).grants).toContain('the agent itself makes you admin');
});

test('an instance without an owner can be claimed', () => {
  expect(read({ ...REFUSED, would_claim: true }).decision).toContain('makes you its owner');
});

test.for([undefined, null, [], {}, { allowed: 'yes' }])('%j is no explanation', (body) => {
  expect(describeExplanation(body)).toBeUndefined();
});
