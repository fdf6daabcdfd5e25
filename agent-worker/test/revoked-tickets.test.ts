import { expect, test } from 'vitest';
import { control, lock, placeOf, recordRevocation, revokedBefore } from './commands.ts';
import { counter, ownSessions } from './objects.ts';
import { enter, renew, ticketOf } from './renewals.ts';
import { ask, refusedSocket, upgrade } from './sockets.ts';
import { newInstance } from './tickets.ts';

/** Revocations of one ticket, which the broker sends to the object that the ticket names. */

const FORBIDDEN = { code: 4003, reason: 'forbidden' };

const revocationOf = (jti: string) =>
  lock(`ticket:${jti}`, { id: `any ticket:${jti}`, code: 'session_terminated' });
const revoke = (jti: string, instance: string) =>
  control({ op: 'revoke', revocation: revocationOf(jti), at: placeOf(instance) });
const newTicket = async (instance: string, other: object = {}) => {
  const jti = crypto.randomUUID();
  return { jti, ticket: await ticketOf(instance, 'owner', { jti, ...other }) };
};

test('a revoked ticket that nobody has used opens nothing, though the gate has read no revocation', async () => {
  const instance = newInstance();
  const { jti, ticket } = await newTicket(instance);
  expect(await revoke(jti, instance)).toMatchObject({ status: 200, body: { closed: 0, objects: 1 } });
  const answer = await upgrade(`/agents/counter/${instance}`, { ticket });
  expect(await refusedSocket(answer)).toMatchObject({ ...FORBIDDEN, frames: [] });
  expect((await ask(`/agents/counter/${instance}`, { ticket })).status).toBe(403);
  expect(await ownSessions(counter(instance))).toEqual([]);
});

test('the gate knows a revoked ticket by the record, and asks no object', async () => {
  const instance = newInstance();
  const { jti, ticket } = await newTicket(instance);
  await revokedBefore(revocationOf(jti));
  expect((await ask(`/agents/counter/${instance}`, { ticket })).status).toBe(403);
  const answer = await upgrade(`/agents/counter/${instance}`, { ticket });
  expect(await refusedSocket(answer)).toMatchObject({ ...FORBIDDEN, frames: [] });
});

test('the session that a ticket opened ends with it, before it is in the record', async () => {
  const instance = newInstance();
  const jti = crypto.randomUUID();
  const { socket } = await enter(instance, 'owner', { jti });
  expect(await revoke(jti, instance)).toMatchObject({ status: 200, body: { closed: 1, objects: 1 } });
  expect(await socket.closed()).toEqual(FORBIDDEN);
  expect(await ownSessions(counter(instance))).toMatchObject([{ end_reason: 'session_terminated' }]);
});

test.for([
  ['that opened it', 0],
  ['that it has its rights from', 1],
] as const)('a renewed session ends with the ticket %s', async ([, which]) => {
  const instance = newInstance();
  const jti = crypto.randomUUID();
  const { socket } = await enter(instance, 'owner', { jti });
  const renewal = await newTicket(instance);
  expect(await renew(socket, renewal.ticket)).toMatchObject({ type: 'ticket.renewed' });
  expect(await revoke([jti, renewal.jti][which] ?? '', instance)).toMatchObject({ body: { closed: 1 } });
  expect(await socket.closed()).toEqual(FORBIDDEN);
});

test('a session ends also where only the record knows of the revocation of its ticket', async () => {
  const instance = newInstance();
  const jti = crypto.randomUUID();
  await recordRevocation(revocationOf(jti));
  const { socket } = await enter(instance, 'owner', { jti });
  expect(await socket.closed()).toEqual(FORBIDDEN);
});

test('a revoked ticket renews nothing, and the session goes on', async () => {
  const instance = newInstance();
  const { socket } = await enter(instance);
  const renewal = await newTicket(instance);
  await revoke(renewal.jti, instance);
  expect(await renew(socket, renewal.ticket)).toEqual({ type: 'ticket.refused', code: 'forbidden' });
  expect(await socket.call('increment')).toMatchObject({ success: true });
});

test('other tickets of the same principal there go on', async () => {
  const instance = newInstance();
  const { socket } = await enter(instance);
  const { jti } = await newTicket(instance);
  expect(await revoke(jti, instance)).toMatchObject({ body: { closed: 0 } });
  expect(await socket.call('increment')).toMatchObject({ success: true });
});
