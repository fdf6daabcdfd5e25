import type { AgentEntry } from '@agent-ticket/shared/registry.ts';
import { describe, expect, test } from 'vitest';
import { AGENTS } from '../../../agents.ts';
import { routeAt } from '../routes.ts';
import { isWrite, parseRoute } from './route.ts';

const [counter] = AGENTS;
const inbox: AgentEntry = { ...counter, slug: 'inbox', bindingKey: 'INBOX', subAgents: ['mail', 'draft'] };
const asleep: AgentEntry = { ...counter, slug: 'asleep', bindingKey: 'ASLEEP', enabled: false };
const REGISTRY = [...AGENTS, inbox, asleep];

/** A route as `slug/instance`, or the reason there is none. */
function routed(path: string, method = 'GET', isUpgrade = false): string {
  const { pathname } = new URL(path, 'https://agents.test');
  const route = parseRoute(pathname, { method, isUpgrade }, REGISTRY);
  return route.ok ? `${route.value.entry.slug}/${route.value.instance}` : route.denial.reason;
}

describe('a path', () => {
  test.for([
    ['/agents/counter/room-1', 'counter/room-1'],
    ['/agents/counter/room-1/', 'counter/room-1'],
    ['/agents/counter/room-1/any/thing', 'counter/room-1'],
    ['/agents/counter/room-1/substance', 'counter/room-1'],
    ['/agents/lobby/main', 'lobby/main'],
    ['/agents/lobby/other', 'instance_unlisted'],
    ['/agents/asleep/room-1', 'agent_unknown'],
    ['/agents/Counter/room-1', 'agent_unknown'],
    ['/agents//room-1', 'agent_unknown'],
    ['/agents', 'agent_unknown'],
    ['/agents/counter', 'instance_invalid'],
    ['/agents/counter/%41', 'instance_invalid'],
    ['/agents/counter//room-1', 'instance_invalid'],
    ['/agents/counter/sub', 'agent_unknown'],
    ['/agents/counter/room-1/sub', 'agent_unknown'],
    ['/agents/counter/room-1/sub/mail/one', 'agent_unknown'],
    ['/agents/counter/room-1/x/sub/mail/one', 'agent_unknown'],
    ['/agents/counter/room-1/%73%75%62/mail/one', 'agent_unknown'],
  ])('%s leads to %s', ([path, expected]) => {
    expect(routed(path ?? '')).toBe(expected);
  });

  test.for([
    ['/agents/inbox/ann/sub/mail/one', 'inbox/ann'],
    ['/agents/inbox/ann/sub/draft/two/deeper', 'inbox/ann'],
    ['/agents/inbox/ann/sub/counter/one', 'agent_unknown'],
    ['/agents/inbox/ann/sub/MAIL/one', 'agent_unknown'],
    ['/agents/inbox/ann/sub/mail', 'agent_unknown'],
    ['/agents/inbox/ann/sub/mail/', 'agent_unknown'],
    ['/agents/inbox/ann/sub/mail/sub', 'agent_unknown'],
    ['/agents/inbox/ann/sub/mail/%6fne', 'agent_unknown'],
    ['/agents/inbox/ann//sub/mail/one', 'agent_unknown'],
    ['/agents/inbox/ann/x/sub/mail/one', 'agent_unknown'],
    ['/agents/inbox/ann/%73ub/mail/one', 'agent_unknown'],
    ['/agents/inbox/ann/SUB/mail/one', 'agent_unknown'],
    ['/agents/inbox/ann/sub/mail/one/sub/draft/two', 'agent_unknown'],
    ['/agents/inbox/ann/sub/mail/one/x/%73ub/draft/two', 'agent_unknown'],
  ])('%s leads to %s where the registry lists sub-agents', ([path, expected]) => {
    expect(routed(path ?? '')).toBe(expected);
  });

  test('is the gate’s from /agents on, and only there', () => {
    const paths = [
      '/agents',
      '/agents/',
      '/agents/x',
      '/',
      '/agentsx',
      '/Agents/x',
      '//agents/x',
      '/x/agents/',
    ];
    expect(paths.filter((path) => routeAt(path) === 'agent')).toEqual(['/agents', '/agents/', '/agents/x']);
  });
});

describe('a method', () => {
  test.for(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])('%s is answered', (method) => {
    expect(routed('/agents/counter/room-1', method)).toBe('counter/room-1');
  });

  test.for([
    ['GET', 'counter/room-1'],
    ['HEAD', 'method_not_allowed'],
    ['POST', 'method_not_allowed'],
    ['PUT', 'method_not_allowed'],
    ['PATCH', 'method_not_allowed'],
    ['DELETE', 'method_not_allowed'],
    ['OPTIONS', 'method_not_allowed'],
  ])('%s of an upgrade is %s', ([method, expected]) => {
    expect(routed('/agents/counter/room-1', method, true)).toBe(expected);
  });

  test.for(['CONNECT', 'TRACE', 'PROPFIND', 'get', 'patch', ''])(
    '%s is refused after the slug, before the name',
    (method) => {
      expect(routed('/agents/counter/%41', method)).toBe('method_not_allowed');
      expect(routed('/agents/unknown/room-1', method)).toBe('agent_unknown');
      expect(routed('/agents/counter/room-1/sub/x/y', method)).toBe('agent_unknown');
    },
  );
});

describe('a plain request', () => {
  test.each([
    ['GET', false],
    ['HEAD', false],
    ['POST', true],
    ['PUT', true],
    ['PATCH', true],
    ['DELETE', true],
    ['PROPFIND', true],
  ])('by %s needs the scope of writers: %s', (method, isOne) => {
    expect(isWrite(method)).toBe(isOne);
  });
});
