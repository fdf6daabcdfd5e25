import { expect, test } from 'vitest';
import { callFrame, callScope, frameText, readFrame, renewalFrame, ticketIn } from './frames.ts';

const AT = '2023-11-14T22:13:20.000Z';
const MS = 1_700_000_000_000;

test.for([
  ['{"type":"cf_agent_state","state":{"count":1}}', { kind: 'state', state: { count: 1 } }],
  ['{"type":"rpc","id":"1","success":true,"result":2}', { kind: 'answer', id: '1', ok: true, result: 2 }],
  [
    '{"type":"rpc","id":"1","success":false,"error":"forbidden"}',
    { kind: 'answer', id: '1', ok: false, result: 'forbidden' },
  ],
  [`{"type":"ticket.expiring","session_expires_at":"${AT}"}`, { kind: 'expiring', endsAt: MS }],
  [
    `{"type":"ticket.renewed","scope":"agent:connect","session_expires_at":"${AT}"}`,
    { kind: 'renewed', endsAt: MS, scope: 'agent:connect' },
  ],
  ['{"type":"ticket.refused","code":"forbidden"}', { kind: 'not renewed', code: 'forbidden' }],
  ['{"type":"ticket.expiring","session_expires_at":"soon"}', { kind: 'other' }],
  ['{"type":"rpc"}', { kind: 'other' }],
  ['{"type":"cf_agent_identity","name":"demo"}', { kind: 'other' }],
  ['null', { kind: 'other' }],
  ['not JSON', { kind: 'other' }],
] as const)('%s', ([frame, read]) => {
  expect(readFrame(frame)).toEqual(read);
});

test('a call is a frame of the SDK', () => {
  expect(JSON.parse(callFrame('7', 'whoami'))).toEqual({ type: 'rpc', id: '7', method: 'whoami', args: [] });
});

test('a renewal is logged with the first letters of its ticket only', () => {
  const frame = renewalFrame('eyJhbGciOi.J9.x');
  expect(ticketIn(frame)).toBe('eyJhbGciOi.J9.x');
  expect(frameText(frame)).toBe('{"type":"ticket.renew","ticket":"eyJhbGci…"}');
  expect(frameText('{"type":"rpc"}')).toBe('{"type":"rpc"}');
});

test.for([
  ['agent:connect agent:rpc:reset', true],
  ['agent:rpc:*', true],
  ['agent:rpc:increment', false],
  ['', false],
] as const)('the scope "%s" allows reset: %j', ([scope, held]) => {
  expect(callScope('reset', scope)).toEqual({ needed: 'agent:rpc:reset', held });
});
