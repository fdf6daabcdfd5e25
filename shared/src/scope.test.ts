import { describe, expect, it } from 'vitest';
import {
  CONNECT,
  covers,
  formatScope,
  MESSAGE,
  narrow,
  RPC_ANY,
  rpcScope,
  Scope,
  ScopeList,
  STATE_READ,
  STATE_WRITE,
  toolScope,
} from './scope.ts';

const PLAIN = [CONNECT, STATE_READ, STATE_WRITE, MESSAGE] as const;
const CALLS = ['agent:rpc:a', 'agent:rpc:b', 'agent:rpc:$x_1'].map((text) => Scope.parse(text));
const TOOL_ANY = Scope.parse('agent:tool:*');
const ALL: readonly Scope[] = [...PLAIN, RPC_ANY, ...CALLS, TOOL_ANY];

describe('a scope', () => {
  it.each([
    ...[
      'agent:connect',
      'agent:state:read',
      'agent:state:write',
      'agent:message',
      'agent:rpc:*',
      'agent:tool:*',
      'agent:tool:get_time',
      'agent:tool:weather.read-2',
      'agent:rpc:increment',
    ],
    ...['agent:rpc:$', 'agent:rpc:_', 'agent:rpc:__proto__', `agent:rpc:${'m'.repeat(128)}`],
  ])('%s is known', (text) => {
    expect(Scope.parse(text)).toBe(text);
  });

  it.each([
    ...[
      '',
      '*',
      'agent',
      'agent:',
      'agent:*',
      'agent:connect:',
      'agent:connect ',
      ' agent:connect',
      'agent:connect\n',
    ],
    ...[
      'Agent:connect',
      'agent:state',
      'agent:state:*',
      'agent:rpc',
      'agent:rpc:',
      'agent:rpc:**',
      'agent:tool',
      'agent:tool:',
      'agent:tool:a b',
      'agent:tool:a*',
      'agent:rpc:a*',
    ],
    ...['agent:rpc:1a', 'agent:rpc:a.b', 'agent:rpc:a b', 'agent:rpc:a:b', 'agent:rpc:\u0430', 'keys:revoke'],
    ...['xagent:connect', 'agent:connectx', `agent:rpc:${'m'.repeat(129)}`, 'agent:rpc:a\0'],
  ])('%j is not', (text) => {
    expect(Scope.safeParse(text).success).toBe(false);
  });
});

describe('a list of scopes', () => {
  it.each<[string, string[]]>([
    ['agent:connect', ['agent:connect']],
    ['agent:message agent:connect', ['agent:message', 'agent:connect']],
    ['agent:message agent:message', ['agent:message']],
  ])('%j is read in its order, each once', (text, scopes) => {
    expect(ScopeList.parse(text)).toEqual(scopes);
  });

  it.each([
    '',
    ' ',
    'agent:connect ',
    ' agent:connect',
    'agent:connect  agent:message',
    'agent:connect\u00a0agent:message',
  ])('%j is none', (text) => {
    expect(ScopeList.safeParse(text).success).toBe(false);
  });

  it('one unknown among known ones refuses the whole list', () => {
    expect(ScopeList.safeParse('agent:connect keys:revoke').success).toBe(false);
  });

  it('is 1,024 characters long at most', () => {
    const longest = `agent:rpc:${'a'.repeat(89)}`;
    const list = [longest, ...Array.from({ length: 9 }, () => `agent:rpc:${'b'.repeat(91)}`)].join(' ');
    expect(list.length).toBe(1017);
    expect(ScopeList.safeParse(list).success).toBe(true);
    expect(ScopeList.safeParse(`${list} agent:connect`).success).toBe(false);
  });

  it('survives being written and read', () => {
    expect(ScopeList.parse(formatScope(ALL))).toEqual(ALL);
  });
});

describe('the scope of a call', () => {
  it.each(['increment', '$', '_x', 'a1', 'constructor', '__proto__'])('of %s names it', (method) => {
    expect(rpcScope(method)).toBe(`agent:rpc:${method}`);
  });

  it.each(['*', '', ' ', 'a b', 'a*', '**', 'a.b', '1', 'a:b', 'caf\u00e9', 'a\n', '*\n', 'm'.repeat(129)])(
    'of %j has no name, so that nothing covers it',
    (method) => {
      expect(rpcScope(method)).toBeUndefined();
    },
  );
});

describe('covering', () => {
  it('is equality, but for the wildcard of calls', () => {
    for (const held of ALL)
      for (const needed of ALL) {
        const wildcard = held === RPC_ANY && needed.startsWith('agent:rpc:');
        expect([held, needed, covers([held], needed)]).toEqual([held, needed, held === needed || wildcard]);
      }
  });

  it('of tools is the same', () => {
    const [look, any] = [toolScope('look'), TOOL_ANY];
    if (look === undefined) throw new Error('the tool has a scope');
    expect([covers([any], look), covers([look], look), covers([look], any), covers([RPC_ANY], look)]).toEqual(
      [true, true, false, false],
    );
    expect([toolScope('*'), toolScope('a b'), toolScope('')]).toEqual([undefined, undefined, undefined]);
  });

  it('one call does not cover all, and nothing covers from an empty hand', () => {
    expect(covers(CALLS, RPC_ANY)).toBe(false);
    expect(ALL.some((scope) => covers([], scope))).toBe(false);
  });
});

describe('narrowing', () => {
  it('answers all that the role allows when nothing is asked', () => {
    expect(narrow([STATE_READ, CONNECT, MESSAGE], undefined)).toEqual([CONNECT, STATE_READ, MESSAGE]);
  });

  it('always has connect, asked or not, allowed or not', () => {
    expect(narrow([STATE_READ], [])).toEqual([CONNECT]);
    expect(narrow([STATE_READ], [STATE_READ])).toEqual([CONNECT, STATE_READ]);
    expect(narrow([], [CONNECT])).toEqual([CONNECT]);
  });

  it('lets one call be asked for under the wildcard, and not the wildcard under one call', () => {
    const [call] = CALLS;
    expect(narrow([RPC_ANY], call && [call])).toEqual([CONNECT, call]);
    expect(narrow(CALLS, [RPC_ANY])).toBeUndefined();
  });
});
