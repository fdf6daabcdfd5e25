import { expect, test } from 'vitest';
import { needOf } from './call-scope.ts';

test.for([
  ['agent:connect agent:rpc:reset', true],
  ['agent:rpc:*', true],
  ['agent:rpc:increment', false],
  ['', false],
] as const)('the scope "%s" allows reset: %j', ([scope, held]) => {
  expect(needOf('reset', scope)).toEqual({ needed: 'agent:rpc:reset', held });
});
