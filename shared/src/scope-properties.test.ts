import fc from 'fast-check';
import { expect, it } from 'vitest';
import { forAll } from '../test/property.ts';
import { CONNECT, covers, MESSAGE, narrow, RPC_ANY, Scope, STATE_READ, STATE_WRITE } from './scope.ts';

const ALL = [
  ...[CONNECT, STATE_READ, STATE_WRITE, MESSAGE, RPC_ANY],
  ...['agent:rpc:add', 'agent:rpc:remove', 'agent:tool:*', 'agent:tool:add'].map((name) => Scope.parse(name)),
];
const some = fc.subarray(ALL);

it('narrowing never widens and never drops', () =>
  forAll(fc.record({ allowed: some, asked: fc.option(some, { nil: undefined }) }), ({ allowed, asked }) => {
    const given = narrow(allowed, asked);
    const outside = (asked ?? []).filter((scope) => scope !== CONNECT && !covers(allowed, scope));
    expect(given === undefined).toBe(outside.length > 0);
    if (given === undefined) return;
    expect(given.filter((scope) => scope === CONNECT)).toHaveLength(1);
    // All that the result covers, the role covered, and the request named.
    for (const scope of ALL.filter((one) => one !== CONNECT && covers(given, one))) {
      expect(covers(allowed, scope)).toBe(true);
      expect(covers(asked ?? allowed, scope)).toBe(true);
    }
    expect((asked ?? allowed).every((scope) => given.includes(scope))).toBe(true);
    // Narrowing once more by the same request changes nothing.
    expect(narrow(given, asked === undefined ? undefined : given)).toEqual(given);
  }));

it('covering grows with what is held', () =>
  forAll(fc.tuple(some, some), ([held, more]) =>
    ALL.every((scope) => !covers(held, scope) || covers([...held, ...more], scope)),
  ));
