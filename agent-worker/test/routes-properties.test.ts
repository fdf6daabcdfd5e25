import { env } from 'cloudflare:workers';
import { forAll } from '@agent-ticket/shared/test/property.ts';
import { noteRefusal } from '@agent-ticket/shared/test/refused.ts';
import { type FuzzedRequest, requestsOf } from '@agent-ticket/shared/test/requests.ts';
import fc from 'fast-check';
import { expect, type TestContext, test } from 'vitest';
import OPENAPI from '../openapi.json' with { type: 'json' };
import { routeAt } from '../src/routes.ts';
import { gateWith } from './gate.ts';
import { objectIds } from './objects.ts';
import type { Front } from './openapi.ts';
import { HOST, worker } from './sockets.ts';
import { makeTicket, newInstance, unknownSigner } from './tickets.ts';

/** Every route of the gate's OpenAPI document, with whatever a caller may send. `checked` compares each answer with it. */

const requests = requestsOf(JSON.stringify(OPENAPI), {
  agent: ['counter', 'lobby', 'mcp-agent'],
  instance: ['main'],
});

/** As a request of the platform: a path that no URL can have never reaches the worker. */
async function send(front: Front, request: FuzzedRequest, credential: Readonly<Record<string, string>>) {
  const { method, path, headers, body } = request;
  if (!URL.canParse(`${HOST}${path}`)) return undefined;
  const answer = await front(
    new Request(`${HOST}${path}`, {
      method,
      headers: { ...headers, ...credential },
      ...(body !== undefined && { body }),
    }),
  );
  answer.webSocket?.accept();
  return answer;
}

function isAnswer(answer: Response, task: TestContext['task']): void {
  if (answer.status >= 400) noteRefusal(task, String(answer.status));
  expect(answer.status).toBeLessThan(500);
  expect(answer.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
  for (const [name, value] of answer.headers) expect(`${name}: ${value}`).not.toContain('evil.example');
}

async function recordRows(): Promise<unknown> {
  const tables = ['audit_events', 'agent_sessions', 'agent_invocations', 'revocation_copies'];
  const counts = await env.RECORD.batch(
    tables.map((name) => env.RECORD.prepare(`SELECT count(*) AS n FROM ${name}`)),
  );
  return counts.map(({ results }) => results);
}

/** The gate, whose faults are kept; commands go to the worker as it ships. */
function frontWith(faults: unknown[]): Front {
  const gate = gateWith({
    log: (line) => {
      if (line.event === 'bug' || line.event === 'outage') faults.push(line);
    },
  });
  return (request) => (routeAt(new URL(request.url).pathname) === 'control' ? worker : gate)(request);
}

test('no request of a stranger is a fault, wakes an object or buys a row, whatever it says', async ({
  task,
}) => {
  const faults: unknown[] = [];
  const front = frontWith(faults);
  const instance = newInstance();
  const forged = await makeTicket({ instance }, { by: unknownSigner });
  const good = await makeTicket({ instance });
  const credentials: readonly Readonly<Record<string, string>>[] = [
    {},
    { authorization: 'Bearer' },
    { authorization: 'Bearer x' },
    { authorization: `Bearer ${forged}` },
    { authorization: `Bearer ${good.slice(0, -4)}` },
    { authorization: `Basic ${btoa('a:b')}` },
    { 'sec-websocket-protocol': `agent-ticket.v1, ${forged}` },
    { 'x-agent-ticket-worker': 'x', 'x-agents-lifecycle-props': '%' },
  ];
  const before = [await recordRows(), await objectIds()];
  await forAll(fc.tuple(requests, fc.constantFrom(...credentials)), async ([request, credential]) => {
    const answer = await send(front, request, credential);
    if (answer === undefined) return;
    isAnswer(answer, task);
    // A preflight has its answer; a refused upgrade is 101 and a close.
    if (request.method !== 'OPTIONS' && answer.status !== 101)
      expect(
        answer.status === 200 && request.path.startsWith('/.well-known/') ? 400 : answer.status,
      ).toBeGreaterThanOrEqual(300);
  });
  expect([await recordRows(), await objectIds()]).toEqual(before);
  expect(faults).toEqual([]);
});

test('no request with a good ticket is a fault, or reaches another object', async ({ task }) => {
  const faults: unknown[] = [];
  const front = frontWith(faults);
  const instance = newInstance();
  const ticket = await makeTicket({ instance, transport: 'http' });
  const before = await objectIds();
  const own = String(env.COUNTER.idFromName(instance));
  await forAll(fc.tuple(requests, fc.boolean()), async ([request, isOwn]) => {
    const path = isOwn
      ? request.path.replace(/^\/agents\/[^/]+\/[^/?]+/, `/agents/counter/${instance}`)
      : request.path;
    const answer = await send(front, { ...request, path }, { authorization: `Bearer ${ticket}` });
    if (answer !== undefined) isAnswer(answer, task);
  });
  expect((await objectIds()).filter((id) => !before.includes(id) && id !== own)).toEqual([]);
  expect(faults).toEqual([]);
});
