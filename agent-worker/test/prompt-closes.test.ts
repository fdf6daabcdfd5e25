import { runInDurableObject } from 'cloudflare:test';
import { BATCH_DEADLINE_MS, STATEMENT_DEADLINE_MS } from '@agent-ticket/drizzle/deadline.ts';
import { expect, test, vi } from 'vitest';
import { control, lock, recordRevocation, send } from './commands.ts';
import { gate } from './gate.ts';
import { counter, witness } from './objects.ts';
import { expectEvents } from './record.ts';
import { ask, connect } from './sockets.ts';
import { makeTicket, newInstance } from './tickets.ts';

/**
 * A revocation closes what it hits at once: the order of events shows that nothing is put off, and no timer is set. How long
 * a close takes is measured by nobody here.
 */

const enter = async (instance: string, sub: string) => {
  const socket = await connect(`/agents/counter/${instance}`, {
    ticket: await makeTicket({ instance, sub }),
  });
  await socket.frame('cf_agent_state');
  return socket;
};
const statesOf = (stub: DurableObjectStub) =>
  runInDurableObject(stub, (_, state) => state.getWebSockets().map((ws) => ws.readyState));

test('an object that has got a revocation has closed its sockets before it handles what comes next', async () => {
  const instance = newInstance();
  const socket = await enter(instance, 'auth0:t:a');
  const stub = counter(instance);
  expect(await statesOf(stub)).toEqual([WebSocket.OPEN]);
  const receipt = send(stub, { op: 'revoke', revocation: lock(`instance:counter/${instance}`) });
  expect(await statesOf(stub)).not.toContain(WebSocket.OPEN);
  expect(await receipt).toEqual({ closed: 1 });
  expect(await socket.closed()).toEqual({ code: 4003, reason: 'forbidden' });
});

test('an object that has got a revocation has cut its streams before it handles what comes next', async () => {
  const instance = newInstance();
  const scope = 'agent:connect agent:state:read agent:message';
  const ticket = await makeTicket({ instance, agent: 'witness', scope, transport: 'http' });
  const answer = await ask(`/agents/witness/${instance}/stream/silent`, { ticket, front: gate });
  const stub = witness(instance);
  const receipt = send(stub, { op: 'revoke', revocation: lock(`instance:witness/${instance}`) });
  expect(await runInDurableObject(stub, (agent) => agent.cancelled)).toBe(1);
  expect(await receipt).toEqual({ closed: 1 });
  await answer.body?.cancel().catch(() => {});
});

test('a command to many objects has closed their sockets by its receipt, and no timer was set on the way but deadlines of the database and hand-overs', async () => {
  const sub = `auth0:t:${crypto.randomUUID()}`;
  const instances = [newInstance(), newInstance(), newInstance()];
  for (const instance of instances) {
    await enter(instance, sub);
    await expectEvents(instance, ['ticket.used', 'session.opened']);
  }
  const revocation = lock(`principal:${sub}`);
  await recordRevocation(revocation);

  const timers = [vi.spyOn(globalThis, 'setTimeout'), vi.spyOn(scheduler, 'wait')];
  const receipt = await control({ op: 'revoke', revocation });
  const delays = timers.flatMap((timer) =>
    timer.mock.calls.flat().filter((each) => typeof each === 'number'),
  );
  for (const timer of timers) timer.mockRestore();

  expect(receipt).toMatchObject({ status: 200, body: { closed: 3, objects: 3, pending: 0 } });
  // Ends are handed over to the record a second later, beside the command.
  const deadlines = [STATEMENT_DEADLINE_MS, BATCH_DEADLINE_MS, 1_000];
  expect(delays.filter((ms) => ms > 0 && !deadlines.includes(ms))).toEqual([]);
  for (const instance of instances) expect(await statesOf(counter(instance))).not.toContain(WebSocket.OPEN);
});
