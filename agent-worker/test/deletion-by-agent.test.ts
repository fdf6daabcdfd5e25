import { runInDurableObject } from 'cloudflare:test';
import { expect, test } from 'vitest';
import { lock, revoke } from './commands.ts';
import { counter } from './objects.ts';
import { connect, refusedSocket, upgrade } from './sockets.ts';
import { makeTicket, newInstance, rights } from './tickets.ts';

test('after agent code deleted all data a ticket stays burned, and a lock closes the sockets that are open', async () => {
  const instance = newInstance();
  const ticket = await makeTicket({ instance, ...rights('counter', 'owner') });
  const path = `/agents/counter/${instance}`;
  const socket = await connect(path, { ticket });
  await socket.frame('cf_agent_state');
  await runInDurableObject(counter(instance), (_, { storage }) => storage.deleteAll());
  expect(await socket.call('whoami')).toMatchObject({ success: true });
  expect(await refusedSocket(await upgrade(path, { ticket }))).toMatchObject({ code: 3000 });
  expect(await revoke(counter(instance), lock(`instance:counter/${instance}`))).toBe(1);
  expect(await socket.closed()).toEqual({ code: 4003, reason: 'forbidden' });
});
