import { runInDurableObject } from 'cloudflare:test';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { expect, test, vi } from 'vitest';
import * as z from 'zod';
import { lock, recordRevocation, revoke } from './commands.ts';
import { gate } from './gate.ts';
import { witness } from './objects.ts';
import { eventsOf } from './record.ts';
import { connect, HOST, type Socket } from './sockets.ts';
import { makeTicket, NOW, newInstance } from './tickets.ts';

/** Tools that run after the frame of their caller: its rights are those of the moment. */

const RAN = 'look ran';
const ENDED = 'Not run: the rights of the person who asked for the tool look have ended.';

/** What the tool `look` answered, when something happened to its caller in between. */
async function lookAfter(change: (instance: string, socket: Socket) => unknown): Promise<string[]> {
  const instance = newInstance();
  const scope = 'agent:connect agent:message agent:rpc:* agent:tool:look';
  const ticket = await makeTicket({ agent: 'witness', instance, scope, session_expiry: NOW + 300 });
  const socket = await connect(`/agents/witness/${instance}`, { ticket, front: gate });
  expect(await socket.call('haveRun', 'look')).toMatchObject({ success: true });
  await change(instance, socket);
  await runInDurableObject(witness(instance), (agent) => agent.begin());
  return runInDurableObject(witness(instance), ({ ran }) => ran);
}

test('a tool runs for a caller who is still there, and for one who has left', async () => {
  expect(await lookAfter(() => {})).toEqual([RAN]);
  expect(await lookAfter((_instance, socket) => socket.close())).toEqual([RAN]);
});

test.for<[string, (instance: string, socket: Socket) => unknown]>([
  [
    'was ended by itself',
    async (instance, socket) => {
      const { result } = await socket.call('whoami');
      const { session } = z.object({ session: z.string() }).parse(result);
      await revoke(witness(instance), lock(`session:${session}`));
    },
  ],
  [
    'was locked after its client had left',
    async (instance, socket) => {
      socket.close();
      await socket.closed();
      await revoke(witness(instance), lock(`instance:witness/${instance}`));
    },
  ],
  ['has expired', () => vi.setSystemTime((NOW + 301) * 1000)],
])('a tool does not run for a session that %s, which is in the audit log', async ([_how, change]) => {
  let place = '';
  const ran = await lookAfter((instance, socket) => {
    place = instance;
    return change(instance, socket);
  });
  expect(ran).toEqual([ENDED]);
  await eventually(async () =>
    expect((await eventsOf(place)).map(({ type, code }) => [type, code])).toContainEqual([
      'rpc.denied',
      'tool_rights_ended',
    ]),
  );
});

/** What the tool `look` answered for a plain request, when something happened after its answer. */
async function lookForRequest(change: (instance: string, jti: string) => unknown): Promise<string[]> {
  const instance = newInstance();
  const jti = crypto.randomUUID();
  const scope = 'agent:connect agent:message agent:tool:look';
  const ticket = await makeTicket({ agent: 'witness', instance, scope, jti, session_expiry: NOW + 300 });
  const headers = { authorization: `Bearer ${ticket}` };
  const path = `${HOST}/agents/witness/${instance}/have-run`;
  expect((await gate(new Request(path, { method: 'POST', headers }))).status).toBe(200);
  await change(instance, jti);
  await runInDurableObject(witness(instance), (agent) => agent.begin());
  return runInDurableObject(witness(instance), ({ ran }) => ran);
}

test('a tool runs for a plain request that was answered', async () => {
  expect(await lookForRequest(() => {})).toEqual([RAN]);
});

test.for<[string, (instance: string, jti: string) => unknown]>([
  ['was locked', (instance) => revoke(witness(instance), lock(`instance:witness/${instance}`))],
  ['was revoked', (instance, jti) => revoke(witness(instance), lock(`ticket:${jti}`))],
  [
    'was revoked where only the record has it',
    async (_instance, jti) => {
      await recordRevocation(lock(`ticket:${jti}`));
      vi.setSystemTime((NOW + 5) * 1000);
    },
  ],
  ['has expired', () => vi.setSystemTime((NOW + 301) * 1000)],
])('a tool does not run for a plain request whose ticket %s', async ([, change]) => {
  expect(await lookForRequest(change)).toEqual([ENDED]);
});
