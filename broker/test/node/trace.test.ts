import { traceparentOf } from '@agent-ticket/shared/trace-context.ts';
import { describe, expect, it } from 'vitest';
import { openWeb } from '../../src/runtime/open-web.ts';
import { BROKER, startNodeBroker } from './start-broker.ts';

/** The trace of a caller names log lines and goes on to agent workers; nothing else depends on it. */

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const PARENT = '00f067aa0ba902b7';
const VALID = `00-${TRACE}-${PARENT}-01`;

describe('each line of a request names the request and its trace', () => {
  it.each([
    ['of no route', '/nothing', undefined, { event: 'refused', reason: 'route_unknown' }],
    ['without a credential', '/me', undefined, { event: 'refused', reason: 'credential_missing' }],
    ['with a wrong credential', '/me', 'Bearer atk_x', { event: 'auth_failure' }],
  ])('%s', async (_, path, authorization, line) => {
    const { app, logged } = await startNodeBroker();
    const headers = { traceparent: VALID, ...(authorization === undefined ? {} : { authorization }) };
    const answer = await app.request(`${BROKER}${path}`, { headers });
    const id = answer.headers.get('x-request-id');
    const fields = {
      request_id: id,
      trace_id: TRACE,
      parent_id: PARENT,
      span_id: id?.replaceAll('-', '').slice(16),
    };
    expect(logged).toContainEqual(expect.objectContaining({ ...line, ...fields }));
    for (const each of logged) expect(each).toMatchObject(fields);
  });
});

it.each([
  ['none', undefined],
  ['one that is not valid', `00-${TRACE}-${PARENT}-01-more`],
  ['a very long one', 'x'.repeat(8_000)],
])('with %s a trace begins, named by the id of the request', async (_, traceparent) => {
  const { app, logged } = await startNodeBroker();
  const answer = await app.request(
    `${BROKER}/me`,
    traceparent === undefined ? {} : { headers: { traceparent } },
  );
  expect(answer.status).toBe(401);
  const id = answer.headers.get('x-request-id') ?? '';
  expect(logged.at(-1)).toMatchObject({ request_id: id, trace_id: id.replaceAll('-', '') });
  expect(logged.at(-1)).not.toHaveProperty('parent_id');
});

it('no header of traces changes an answer or is in the audit log', async () => {
  const answers = [];
  for (const traceparent of [VALID, 'x'.repeat(8_000), '00-0-0-0']) {
    const { app, events } = await startNodeBroker();
    const body = JSON.stringify({ agent: 'lobby', instance: 'main' });
    const headers = { 'content-type': 'application/json', traceparent, tracestate: 'a=b' };
    const answer = await app.request(`${BROKER}/tickets`, { method: 'POST', headers, body });
    expect(JSON.stringify(events)).not.toContain(TRACE);
    answers.push([answer.status, events.map(({ type, outcome }) => [type, outcome])]);
  }
  expect(answers).toEqual(Array(3).fill([201, [['ticket.issued', 'success']]]));
});

it('a page of an allowed origin may send the headers of traces', async () => {
  const { app } = await startNodeBroker();
  const headers = { origin: 'https://app.test', 'access-control-request-method': 'POST' };
  const answer = await app.request(`${BROKER}/tickets`, { method: 'OPTIONS', headers });
  const allowed = answer.headers.get('access-control-allow-headers')?.split(', ');
  expect(allowed).toEqual(expect.arrayContaining(['traceparent', 'tracestate']));
});

it('a command is part of the trace of the request that caused it, which names the lines about it', async () => {
  const started = await startNodeBroker();
  const sent: unknown[] = [];
  const web = openWeb(async (_url, init) => {
    sent.push(new Headers(init.headers).get('traceparent'));
    return new Response(null, { status: 503 });
  });
  const app = started.beside({ sendControl: web.sendControl });
  const operator = await started.makeServiceToken({ permissions: ['locks:write'] });
  const answer = await app.request(`${BROKER}/admin/locks`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${operator.clientSecret}`,
      'content-type': 'application/json',
      traceparent: VALID,
    },
    body: JSON.stringify({ target: { kind: 'agent', agent: 'counter' }, reason: 'a test' }),
  });
  expect(answer.status).toBe(202);
  const id = answer.headers.get('x-request-id') ?? '';
  const trace = { traceId: TRACE, spanId: id.replaceAll('-', '').slice(16), isSampled: true };
  expect(sent).toEqual([traceparentOf(trace)]);
  expect(started.logged).toContainEqual(
    expect.objectContaining({ event: 'control_unanswered', request_id: id, trace_id: TRACE }),
  );
});
