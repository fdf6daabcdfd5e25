import { describe, expect, test } from 'vitest';
import { frameNeed, refusalFrame } from './frames.ts';

const call = (method: unknown) => JSON.stringify({ type: 'rpc', id: '1', method, args: [] });

describe('what a frame needs', () => {
  test.for([
    ['a call', call('increment'), 'rpc', 'agent:rpc:increment'],
    ['a call with signs', call('$do_it2'), 'rpc', 'agent:rpc:$do_it2'],
    ['state', '{"type":"cf_agent_state","state":{}}', 'state', 'agent:state:write'],
    ['a request to resume', '{"type":"cf_agent_stream_resume_request"}', 'resume', 'agent:connect'],
    ['an answer to resume', '{"type":"cf_agent_stream_resume_ack","id":"1"}', 'resume', 'agent:connect'],
    ['a chat request', '{"type":"cf_agent_use_chat_request"}', 'message', 'agent:message'],
    ['text', 'hello', 'message', 'agent:message'],
    ['no text', '', 'message', 'agent:message'],
    ['a list', `[${call('increment')}]`, 'message', 'agent:message'],
    ['null', 'null', 'message', 'agent:message'],
    ['JSON in capitals', '{"TYPE":"rpc"}', 'message', 'agent:message'],
    ['a call below __proto__', `{"__proto__":${call('increment')}}`, 'message', 'agent:message'],
  ])('%s', ([, frame, kind, scope]) => {
    expect(frameNeed(frame ?? '')).toMatchObject({ kind, scope });
  });

  test('bytes are a message, whatever they spell', () => {
    const bytes = new Uint8Array(new TextEncoder().encode(call('increment')));
    expect(frameNeed(bytes.buffer)).toEqual({ kind: 'message', scope: 'agent:message' });
  });

  test('the last of two equal members counts, as for the SDK', () => {
    const frame = '{"type":"rpc","id":"1","method":"whoami","method":"reset","args":[]}';
    expect(frameNeed(frame)).toMatchObject({ method: 'reset', scope: 'agent:rpc:reset' });
  });

  test.for(['*', '', 'a b', 'a:b', 'a.b', '1a', 'é', 'x'.repeat(129)])(
    'no scope names the method %j',
    (method) => {
      expect(frameNeed(call(method))).toMatchObject({ kind: 'rpc', scope: undefined });
    },
  );
});

describe('the refusal of a frame', () => {
  test('of a call names the call', () => {
    expect(JSON.parse(refusalFrame(frameNeed(call('reset'))) ?? '')).toEqual({
      type: 'rpc',
      id: '1',
      success: false,
      error: 'forbidden',
    });
  });

  test.for([
    ['state', '{"type":"cf_agent_state","state":1}', { type: 'cf_agent_state_error', error: 'forbidden' }],
    ['a message', 'hello', { type: 'ticket.denied', code: 'forbidden', scope: 'agent:message' }],
    [
      'a resume frame',
      '{"type":"cf_agent_stream_resume_ack"}',
      { type: 'ticket.denied', code: 'forbidden', scope: 'agent:connect' },
    ],
  ] as const)('of %s has the words for it', ([, frame, refusal]) => {
    expect(JSON.parse(refusalFrame(frameNeed(frame)) ?? '')).toEqual(refusal);
  });
});
