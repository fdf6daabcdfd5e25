import { describe, expect, test } from 'vitest';
import type { GatePorts } from '../src/gate.ts';
import { gate, gateWith } from './gate.ts';
import { ask, refusedSocket, upgrade } from './sockets.ts';
import { makeTicket, newInstance, ORIGIN } from './tickets.ts';

/** Faults of the gate itself and of the objects behind it, and the headers that every answer has. */

const OUTAGE = new Error('D1_ERROR: Network connection lost.');
const OVERLOADED = Object.assign(new Error('PRIVATE words of the runtime'), { overloaded: true });
const BUG = new TypeError('PRIVATE words of a library');
const reject = (error: Error) => () => Promise.reject(error);
const objectThat = (error: Error): Partial<GatePorts> => ({ destination: () => ({ fetch: reject(error) }) });

const FAULTS: {
  what: string;
  ports: Partial<GatePorts>;
  status: number;
  close: [number, string];
  event: string;
  reason: string;
}[] = [
  {
    what: 'a key finder that throws',
    ports: { findKey: reject(BUG) },
    status: 500,
    close: [1011, 'internal'],
    event: 'bug',
    reason: 'internal',
  },
  {
    what: 'a key finder that has an outage',
    ports: { findKey: reject(OUTAGE) },
    status: 503,
    close: [1013, 'unavailable'],
    event: 'outage',
    reason: 'database_unavailable',
  },
  {
    what: 'a missing namespace',
    ports: {
      destination: () => {
        throw BUG;
      },
    },
    status: 500,
    close: [1011, 'internal'],
    event: 'bug',
    reason: 'internal',
  },
  {
    what: 'an object that is overloaded',
    ports: objectThat(OVERLOADED),
    status: 503,
    close: [1013, 'unavailable'],
    event: 'gate_refused',
    reason: 'agent_worker_unavailable',
  },
  {
    what: 'an object that a deploy resets',
    ports: objectThat(new Error('Durable Object reset because its code was updated.')),
    status: 503,
    close: [1013, 'unavailable'],
    event: 'gate_refused',
    reason: 'agent_worker_unavailable',
  },
  {
    what: 'an object that throws',
    ports: objectThat(BUG),
    status: 500,
    close: [1011, 'internal'],
    event: 'gate_refused',
    reason: 'agent_failed',
  },
];

const expectSecure = ({ headers }: Response) => {
  expect(Object.fromEntries(headers)).toMatchObject({
    'cache-control': 'no-store',
    'referrer-policy': 'no-referrer',
    'strict-transport-security': 'max-age=31536000',
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'x-request-id': expect.stringMatching(/^[0-9a-f-]{36}$/),
  });
};

test.for(FAULTS)(
  '$what is logged and answered $status or $close, without a word of the error',
  async ({ ports, status, close, event, reason }) => {
    const logged: Readonly<Record<string, unknown>>[] = [];
    const front = gateWith({ ...ports, log: (line) => logged.push(line) });
    const instance = newInstance();
    const path = `/agents/counter/${instance}`;
    const options = { front, ticket: await makeTicket({ instance }), headers: { origin: ORIGIN } };

    const plain = await ask(path, options);
    const id = plain.headers.get('x-request-id');
    expect(plain.status).toBe(status);
    expect(plain.headers.get('access-control-allow-origin')).toBe(ORIGIN);
    expect(plain.headers.has('retry-after')).toBe(status === 503);
    expectSecure(plain);
    const socket = await upgrade(path, options);
    expectSecure(socket);
    const [code, closeReason] = close;
    expect(await refusedSocket(socket)).toMatchObject({ code, reason: closeReason, frames: [] });

    expect(logged).toContainEqual(expect.objectContaining({ event, request_id: id, agent: 'counter' }));
    expect(logged).toContainEqual(expect.objectContaining({ event: 'gate_refused', reason, request_id: id }));
    expect(JSON.stringify([logged, await plain.json()])).not.toContain('PRIVATE');
  },
);

describe('secure headers are on', () => {
  const scope = 'agent:connect agent:state:read agent:message';
  const path = (instance: string) => `/agents/witness/${instance}`;
  const options = async (instance: string) => ({
    ticket: await makeTicket({ instance, agent: 'witness', scope }),
    front: gate,
  });

  test.for<[what: string, answer: (instance: string) => Promise<Response>]>([
    ['the answer of an agent', async (instance) => ask(path(instance), await options(instance))],
    ['an accepted socket', async (instance) => upgrade(path(instance), await options(instance))],
    ['a refusal', (instance) => ask(path(instance), { front: gate })],
    [
      'a preflight',
      (instance) => ask(path(instance), { method: 'OPTIONS', headers: { origin: ORIGIN }, front: gate }),
    ],
    ['a refused command', () => ask('/control', { method: 'POST' })],
  ])('%s', async ([, answerOf]) => {
    const answer = await answerOf(newInstance());
    expectSecure(answer);
    if (answer.webSocket !== null) answer.webSocket.accept();
  });
});
