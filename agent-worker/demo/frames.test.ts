import { expect, test } from 'vitest';
import { call, hear } from './frames.ts';

test.for([
  ['{"type":"cf_agent_state","state":{"count":1}}', { kind: 'state', state: { count: 1 } }],
  ['{"type":"rpc","id":"1","success":true,"result":2}', { kind: 'answer', id: '1', ok: true, result: 2 }],
  [
    '{"type":"rpc","id":"1","success":false,"error":"forbidden"}',
    { kind: 'answer', id: '1', ok: false, result: 'forbidden' },
  ],
  ['{"type":"rpc"}', { kind: 'other' }],
  ['{"type":"cf_agent_identity","name":"demo"}', { kind: 'other' }],
  ['null', { kind: 'other' }],
  ['not JSON', { kind: 'other' }],
] as const)('%s', ([frame, heard]) => {
  expect(hear(frame)).toEqual(heard);
});

test('a call is the frame that the SDK takes', () => {
  expect(JSON.parse(call('7', 'whoami'))).toEqual({ type: 'rpc', id: '7', method: 'whoami', args: [] });
});
