import { describe, expect, it } from 'vitest';
import { gate, gateWith } from './gate.ts';
import { ask, HOST, upgrade, worker } from './sockets.ts';
import { makeTicket, newInstance } from './tickets.ts';
import { printed } from './watch.ts';

/** The trace of a request goes from the gate to the object, and names the lines of both. */

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const PARENT = '00f067aa0ba902b7';
const SCOPE = 'agent:connect agent:state:read agent:message';

const spanOf = ({ headers }: Response): string =>
  (headers.get('x-request-id') ?? '').replaceAll('-', '').slice(16);

async function seenByObject(given: Record<string, string>) {
  const seen: Headers[] = [];
  const front = gateWith({
    destination: () => ({
      fetch: async ({ headers }) => {
        seen.push(headers);
        return new Response('fine');
      },
    }),
  });
  const instance = newInstance();
  const ticket = await makeTicket({ instance });
  const answer = await ask(`/agents/counter/${instance}`, { ticket, front, headers: given });
  expect(answer.status).toBe(200);
  return { answer, headers: seen[0] };
}

describe('an object gets', () => {
  it('the trace of the caller from the span of the gate, and what others keep of the trace', async () => {
    const given = { traceparent: `00-${TRACE}-${PARENT}-01`, tracestate: 'vendor=1' };
    const { answer, headers } = await seenByObject(given);
    expect(headers?.get('traceparent')).toBe(`00-${TRACE}-${spanOf(answer)}-01`);
    expect(headers?.get('tracestate')).toBe('vendor=1');
  });

  it.each([
    ['none', {}],
    ['one that is not valid', { traceparent: `00-${TRACE}-${PARENT}-01-more` }],
    ['a very long one', { traceparent: `cc-${TRACE}-${PARENT}-01-${'x'.repeat(8_000)}` }],
  ])('a trace that begins at the gate in place of %s, and nothing that others kept', async (_, given) => {
    const { answer, headers } = await seenByObject({ ...given, tracestate: 'vendor=1' });
    const id = (answer.headers.get('x-request-id') ?? '').replaceAll('-', '');
    expect(headers?.get('traceparent')).toBe(`00-${id}-${spanOf(answer)}-00`);
    expect(headers?.has('tracestate')).toBe(false);
  });
});

describe('the line of an object about its agent names the request of the gate and its trace', () => {
  it.each([
    ['a request', 'onRequest', ask],
    ['a socket', 'onConnect', upgrade],
  ])('at %s', async (_, instance, open) => {
    const ticket = await makeTicket({ instance, agent: 'faulty', scope: SCOPE });
    const headers = { traceparent: `00-${TRACE}-${PARENT}-01`, accept: 'application/json' };
    const answer = await open(`/agents/faulty/${instance}`, { ticket, front: gate, headers });
    expect(answer.status).toBe(500);
    const own = printed.filter((line) => line.startsWith('{"event":"agent_failed"'));
    const named = {
      request_id: answer.headers.get('x-request-id'),
      trace_id: TRACE,
      span_id: spanOf(answer),
    };
    expect(own.map((line): unknown => JSON.parse(line))).toEqual([expect.objectContaining(named)]);
  });
});

it.each(['/agents/counter/x', '/agents/nobody/x', '/control'])(
  'a refusal of %s is logged with the trace',
  async (path) => {
    const headers = { traceparent: `00-${TRACE}-${PARENT}-01` };
    const answer = await worker(new Request(`${HOST}${path}`, { method: 'POST', headers }));
    const named = { request_id: answer.headers.get('x-request-id'), trace_id: TRACE };
    const lines = printed.map((line): unknown => JSON.parse(line));
    expect(lines).toEqual([
      expect.objectContaining({ ...named, span_id: spanOf(answer), parent_id: PARENT }),
    ]);
  },
);
