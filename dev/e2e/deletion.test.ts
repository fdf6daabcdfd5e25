import { randomUUID } from 'node:crypto';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { expect, inject, it } from 'vitest';
import { asOperator, asService, mint, post } from './broker.ts';
import { nextFrame, openSocket } from './sockets.ts';

const broker = (path: string) => `${inject('stack').broker}${path}`;

async function countOf(instance: string): Promise<unknown> {
  const { socket, frames } = openSocket((await mint({ instance })).url);
  await nextFrame(socket);
  return eventually(async () => {
    const state = frames.map((frame) => JSON.parse(frame)).find(({ type }) => type === 'cf_agent_state');
    expect(state).toBeDefined();
    return state.state.count;
  });
}

it('the deletion by the owner closes sockets and erases state, and the next instance starts empty', async () => {
  const instance = `deleted-${randomUUID()}`;
  const subject = `token:${inject('stack').serviceToken.id}`;
  const grant = { subject, agent: 'counter', instance, role: 'owner', reason: 'test' };
  expect((await post(broker('/admin/grants'), asOperator(), grant)).status).toBe(201);
  const { socket, closed } = openSocket((await mint({ instance })).url);
  await nextFrame(socket);
  socket.send(JSON.stringify({ type: 'rpc', id: '1', method: 'increment', args: [] }));
  await eventually(async () => expect(await countOf(instance)).toBe(1));

  const path = broker(`/api/agents/counter/${instance}`);
  const deleted = await fetch(path, { method: 'DELETE', headers: asService() });
  expect([200, 202]).toContain(deleted.status);
  expect((await closed).code).toBe(4003);
  // The owner's grant went with the instance; a 202 means that the command is repeated until it is.
  await eventually(async () => expect((await mint({ instance })).role).toBe('admin'));
  await eventually(async () => expect(await countOf(instance)).toBe(0));
});
