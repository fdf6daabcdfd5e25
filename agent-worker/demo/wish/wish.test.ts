import { expect, test } from 'vitest';
import type { DemoAgent } from '../facts.ts';
import { describeAccess, proposedInstance, SCOPE_CHOICES, wishOf } from './wish.ts';

const AGENT: DemoAgent = {
  slug: 'counter',
  displayName: 'Counter',
  description: 'A number.',
  access: 'viewer',
  instances: [],
};

test('a wish says what was chosen, and leaves the scope to the role where nothing narrower was', () => {
  expect(wishOf('counter', ' demo ', 'role', '60')).toEqual({
    agent: 'counter',
    instance: 'demo',
    expires_in: 60,
  });
  expect(wishOf('counter', 'demo', 'read', '10')).toEqual({
    agent: 'counter',
    instance: 'demo',
    scope: 'agent:connect agent:state:read',
    expires_in: 10,
  });
});

test('every scope that can be asked for opens a socket', () => {
  for (const { scope } of SCOPE_CHOICES) expect(scope ?? 'agent:connect').toContain('agent:connect');
});

test('an instance is proposed that can be had', () => {
  expect(proposedInstance(AGENT, 'x1')).toBe('demo');
  expect(proposedInstance({ ...AGENT, instances: ['main'] }, 'x1')).toBe('main');
  expect(proposedInstance({ ...AGENT, access: 'first-user' }, 'x1')).toBe('mine-x1');
});

test('who may come in is said for every kind of access', () => {
  expect(describeAccess({ ...AGENT, access: 'public', instances: ['main'] })).toBe(
    'Counter lets everybody in, strangers too. Its only instance is main.',
  );
  expect(describeAccess(AGENT)).toContain('as a viewer');
  expect(describeAccess({ ...AGENT, access: 'first-user' })).toContain('first person');
});
