import { expect, test } from 'vitest';
import type { DemoAgent } from './facts.ts';
import { defaultInstance, describeAccess, SCOPE_CHOICES, ticketRequest } from './ticket-request-panel.ts';

const AGENT: DemoAgent = {
  slug: 'counter',
  displayName: 'Counter',
  description: 'A number.',
  access: 'viewer',
  instances: [],
};

test('a request has the chosen values, and no scope where all of the role is chosen', () => {
  expect(ticketRequest('counter', ' demo ', 'role', '60')).toEqual({
    agent: 'counter',
    instance: 'demo',
    expires_in: 60,
  });
  expect(ticketRequest('counter', 'demo', 'read', '10')).toEqual({
    agent: 'counter',
    instance: 'demo',
    scope: 'agent:connect agent:state:read',
    expires_in: 10,
  });
});

test('every scope that can be chosen opens a socket', () => {
  for (const { scope } of SCOPE_CHOICES) expect(scope ?? 'agent:connect').toContain('agent:connect');
});

test('the default instance is available', () => {
  expect(defaultInstance(AGENT, 'x1')).toBe('demo');
  expect(defaultInstance({ ...AGENT, instances: ['main'] }, 'x1')).toBe('main');
  expect(defaultInstance({ ...AGENT, access: 'first-user' }, 'x1')).toBe('mine-x1');
});

test('every kind of access is described', () => {
  expect(describeAccess({ ...AGENT, access: 'public', instances: ['main'] })).toBe(
    'Counter lets everybody in, also without a sign-in. Its only instance is main.',
  );
  expect(describeAccess(AGENT)).toContain('as a viewer');
  expect(describeAccess({ ...AGENT, access: 'first-user' })).toContain('first person');
});
