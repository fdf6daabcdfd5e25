import { expect, test } from 'vitest';
import { gateWith } from './gate.ts';
import type { Front } from './openapi.ts';
import { ask, refusedSocket, upgrade } from './sockets.ts';
import { makeTicket, newInstance, ORIGIN, SUBJECT, unknownSigner } from './tickets.ts';

/** Every attempt to authenticate at the gate is one line: who, from where, with which ticket, how, and why not. */

type Line = Readonly<Record<string, unknown>>;

const FROM = '203.0.113.7';
const KNOWN = {
  ...{ principal: SUBJECT, tier: 'free', auth_method: 'ticket', agent: 'witness' },
  ...{ jti: expect.any(String), ip_address: FROM },
};
const JTI = '6f1c3f0e-2f2b-4c7e-9d53-0c1f6a1d9b42';
const SCOPE = 'agent:connect agent:state:read agent:message';
const make = (instance: string, other: object = {}, how?: object) =>
  makeTicket({ instance, agent: 'witness', scope: SCOPE, ...other }, how);

const ATTEMPTS: [
  what: string,
  run: (path: string, instance: string, front: Front) => unknown,
  lines: Line[],
][] = [
  [
    'a socket that opens',
    async (path, instance, front) =>
      (await upgrade(path, { front, ticket: await make(instance) })).webSocket?.accept(),
    [{ ...KNOWN, event: 'auth_success', method: 'GET', path: '/agents/:agent/:instance' }],
  ],
  [
    'a request deeper in the path',
    async (path, instance, front) =>
      ask(`${path}/a/b`, { front, method: 'POST', ticket: await make(instance) }),
    [{ ...KNOWN, event: 'auth_success', method: 'POST', path: '/agents/:agent/:instance/*' }],
  ],
  [
    'a ticket that nobody knows',
    async (path, instance, front) =>
      ask(path, { front, ticket: await make(instance, {}, { by: unknownSigner }) }),
    [
      {
        ...{ event: 'auth_failure', auth_method: 'ticket', agent: 'witness' },
        ...{ reason: 'ticket_key_unknown', ip_address: FROM },
      },
    ],
  ],
  [
    'a ticket that is good elsewhere, by its name',
    async (path, _, front) => ask(path, { front, ticket: await make(newInstance(), { jti: JTI }) }),
    [{ event: 'auth_failure', reason: 'ticket_instance_wrong', jti: JTI, ip_address: FROM }],
  ],
  [
    'no ticket',
    (path, _, front) => ask(path, { front }),
    [{ event: 'auth_failure', reason: 'ticket_missing', ip_address: FROM }],
  ],
  [
    'a ticket that the object refuses',
    async (path, instance, front) => {
      const ticket = await make(instance);
      (await upgrade(path, { front, ticket })).webSocket?.accept();
      await refusedSocket(await upgrade(path, { front, ticket }));
    },
    [
      { ...KNOWN, event: 'auth_success' },
      { ...KNOWN, event: 'auth_failure', reason: 'ticket_used' },
    ],
  ],
  [
    'an agent that fails, which says nothing about its caller',
    async (path, instance, front) => ask(`${path}/throw`, { front, ticket: await make(instance) }),
    [{ event: 'gate_refused', reason: 'agent_failed' }],
  ],
  [
    'a foreign page, which has not come to a ticket',
    (path, _, front) => ask(path, { front, headers: { origin: 'https://evil.test' } }),
    [{ event: 'gate_refused', reason: 'origin_not_allowed' }],
  ],
  [
    'a preflight',
    (path, _, front) => ask(path, { front, method: 'OPTIONS', headers: { origin: ORIGIN } }),
    [],
  ],
];

test.for(ATTEMPTS)('%s', async ([, run, lines]) => {
  const logged: Line[] = [];
  const gate = gateWith({ log: (line) => logged.push(line) });
  const front: Front = (request) => {
    const addressed = new Request(request);
    addressed.headers.set('cf-connecting-ip', FROM);
    return gate(addressed);
  };
  const instance = newInstance();
  await run(`/agents/witness/${instance}`, instance, front);
  expect(logged).toMatchObject(lines);
  expect(logged).toHaveLength(lines.length);
  // A ticket that verified names its instance. What else a path has is a caller's text, and may be a ticket.
  for (const line of logged) {
    if (line.principal !== undefined) expect(line.instance).toBe(instance);
    else expect(JSON.stringify(line)).not.toContain(instance);
  }
});
