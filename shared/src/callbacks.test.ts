import { describe, expect, it } from 'vitest';
import {
  type AgentCallback,
  callbackFaults,
  findCallback,
  type WorkerCall,
  workerCallFaults,
} from './callbacks.ts';
import { CallbackScope, callbackScope, Scope } from './scope.ts';

const HOOK: AgentCallback = { name: 'github', methods: ['POST'], path: 'hooks/github', limit: 60 };

describe('the callbacks of an agent', () => {
  it.each(['hooks', 'hooks/github', 'a/b/c', 'x.y', '.well-known/x', 'v1_~-', 'sub-x', '...'])(
    'may have the path %s',
    (path) => {
      expect(callbackFaults([{ ...HOOK, path }])).toEqual([]);
    },
  );

  it.each([
    '',
    '/hooks',
    'hooks/',
    'hooks//github',
    'hooks/./github',
    'hooks/../github',
    '..',
    '.',
    'sub',
    'sub/x/y',
    'hooks/SUB/x',
    'hooks/%67ithub',
    'hooks?x=1',
    'hooks#x',
    'hooks;x',
    'höks',
    'ho oks',
    'hooks\n',
    'a'.repeat(257),
  ])('may not have the path %j', (path) => {
    expect(callbackFaults([{ ...HOOK, path }])).toEqual([
      `callback github: path ${path} is not plain segments`,
    ]);
  });

  it.each<[string, Partial<AgentCallback>, string]>([
    ['name', { name: 'GitHub' }, 'callback GitHub: name is not kebab-case'],
    ['methods', { methods: [] }, 'callback github: no methods'],
    [
      'other methods',
      { methods: ['POST', 'OPTIONS', 'post'] },
      'callback github: methods that a callback cannot have: OPTIONS post',
    ],
    ['method of a redirect', { name: 'mcp-oauth' }, 'callback mcp-oauth: a redirect is a GET'],
    ['no limit', { limit: 0 }, 'callback github: limit is not whole and positive'],
    ['a fraction', { limit: 1.5 }, 'callback github: limit is not whole and positive'],
  ])('are refused for their %s', (_what, change, fault) => {
    expect(callbackFaults([{ ...HOOK, ...change }])).toEqual([fault]);
  });

  it('have names and paths of their own', () => {
    expect(callbackFaults([HOOK, HOOK, HOOK])).toEqual([
      'callback github is there more than once',
      'path hooks/github is that of more than one callback',
    ]);
  });

  it('are found by their path as it came', () => {
    const found = (path: string) => findCallback([HOOK], path)?.name;
    expect(found('/agents/counter/room-1/hooks/github')).toBe('github');
    for (const other of ['hooks', 'hooks/github/', '/hooks/github', 'hooks/Github', 'hooks/githu%62', ''])
      expect(found(`/agents/counter/room-1/${other}`)).toBeUndefined();
    expect(findCallback(undefined, '/agents/counter/room-1/hooks/github')).toBeUndefined();
  });
});

describe('the calls of a worker', () => {
  const CALL: WorkerCall = { name: 'nightly', scopes: ['agent:message'] };
  const admin = ['agent:connect', 'agent:message', 'agent:rpc:add'].map((text) => Scope.parse(text));

  it.each<[string, Partial<WorkerCall>, string[]]>([
    ['nothing', {}, []],
    ['a method of the admin', { scopes: ['agent:rpc:add'] }, []],
    ['a name', { name: 'a b' }, ['call a b: name is not kebab-case']],
    ['no scopes', { scopes: [] }, ['call nightly: no scopes']],
    ['an unknown scope', { scopes: ['agent:everything'] }, ['call nightly: unknown scopes']],
    ['a scope of callbacks', { scopes: ['agent:callback:github'] }, ['call nightly: unknown scopes']],
    ['all methods', { scopes: ['agent:rpc:*'] }, ['call nightly: may do more than the role admin']],
    [
      'a state',
      { scopes: ['agent:message', 'agent:state:write'] },
      ['call nightly: may do more than the role admin'],
    ],
  ])('with %s', (_what, change, faults) => {
    expect(workerCallFaults([{ ...CALL, ...change }], admin)).toEqual(faults);
  });
});

it('the scope of a callback is none that a role or a ticket can hold', () => {
  expect(Scope.safeParse(callbackScope('github')).success).toBe(false);
  expect(CallbackScope.safeParse('agent:callback:Git').success).toBe(false);
  expect(CallbackScope.safeParse('agent:callback:').success).toBe(false);
});
