import { evictDurableObject, runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { PING, PONG } from '@agent-ticket/shared/heartbeat.ts';
import { expect, test } from 'vitest';
import { madeWitnesses } from './agents/witness.ts';
import { gate } from './gate.ts';
import { receivedBy, witness } from './objects.ts';
import { connect, type Socket } from './sockets.ts';
import { makeTicket, newInstance } from './tickets.ts';

/** Pings by which a client finds out whether its connection lives. */

async function open(agent: 'witness' | 'inner', scope: string) {
  const instance = newInstance();
  const ticket = await makeTicket({ instance, agent, scope });
  const socket = await connect(`/agents/${agent}/${instance}`, { ticket, front: gate });
  return { instance, socket };
}

async function ping(socket: Socket): Promise<void> {
  const seen = socket.frames.length;
  socket.send(PING);
  expect(await socket.next(seen, ({ type }) => type === 'ticket.pong')).toEqual(JSON.parse(PONG));
}

const isAnsweredByRuntime = (object: DurableObjectStub): Promise<boolean> =>
  runInDurableObject(object, (_, ctx) =>
    ctx.getWebSockets().some((ws) => ctx.getWebSocketAutoResponseTimestamp(ws) !== null),
  );

test('the runtime answers a ping for a sleeping object, which stays asleep', async () => {
  const { instance, socket } = await open('witness', 'agent:connect');
  await socket.frame('seen');
  const made = () => madeWitnesses.filter((name) => name === instance).length;
  await ping(socket);
  await evictDurableObject(witness(instance));
  await ping(socket);
  expect(made()).toBe(1);
  expect(await isAnsweredByRuntime(witness(instance))).toBe(true);
  expect(made()).toBe(2);
  await ping(socket);
  expect(await receivedBy(instance)).toEqual([]);
});

test('an agent keeps the answer that it has set, and a ping is answered as a frame', async () => {
  const { instance, socket } = await open('inner', 'agent:connect agent:message');
  const object = env.INNER.getByName(instance);
  await ping(socket);
  await ping(socket);
  expect(await isAnsweredByRuntime(object)).toBe(false);
  expect(await runInDurableObject(object, ({ received }) => received)).toEqual(['fetch']);
  socket.send('own ping');
  await socket.frame('own pong');
  expect(await isAnsweredByRuntime(object)).toBe(true);
});
