import { describe, expect, test } from 'vitest';
import { createTicketProvider, SignInRequired } from './provider.ts';
import { clientsOf, expectCalm, open, stopTime, untilOpen } from './test-tab.ts';
import { MINUTE, pass, refusal, SECOND, World } from './test-world.ts';

/** Sessions are carried on without a new socket. */

stopTime();

describe('renewal in band', () => {
  const expiring = { type: 'ticket.expiring', session_expires_at: '2001-01-01T01:00:00.000Z' };

  test('answers the warning with a ticket of its own, on the same socket', async () => {
    const { world, client, ticket } = await open();
    const [socket] = world.sockets;
    // Attached by the options already: a second time would renew twice.
    ticket.attachRenewal(client);
    socket?.say(expiring);
    socket?.say(expiring);
    await pass(SECOND);
    expect(socket?.sent).toEqual([JSON.stringify({ type: 'ticket.renew', ticket: 'h.t2.s' })]);
    expect(world.mints).toHaveLength(2);
    socket?.say({ type: 'ticket.renewed', scope: 'agent:connect', session_expires_at: 'x' });
    await pass(60 * MINUTE);
    socket?.say(expiring);
    await pass(SECOND);
    expect(socket?.sent).toHaveLength(2);
    expect(client.readyState).toBe(1);
    expect(world.sockets).toHaveLength(1);
  });

  test('refused: the session lasts until its end, then a new ticket opens the next', async () => {
    const tab = await open();
    const [socket] = tab.world.sockets;
    socket?.say(expiring);
    await pass(SECOND);
    socket?.say({ type: 'ticket.refused', code: 'forbidden' });
    await pass(50 * SECOND);
    expect(socket?.sent).toHaveLength(1);
    expect(tab.client.readyState).toBe(1);
    socket?.end(3000, 'session_expired');
    expect(await untilOpen(tab)).toBeLessThanOrEqual(6 * SECOND);
    expect(tab.world.mints).toHaveLength(3);
  });

  test('the broker is away for half a minute: renewed as soon as it is back', async () => {
    const { world } = await open();
    world.broker = 'unreachable';
    world.sockets[0]?.say(expiring);
    await pass(30 * SECOND);
    world.broker = 'mints';
    await pass(15 * SECOND);
    expect(world.sockets[0]?.sent).toHaveLength(1);
    expectCalm(world);
  });

  test('nobody is signed in any more: told before the session ends, and then it ends', async () => {
    const { world, client, ticket } = await open();
    world.broker = refusal(401, 'UNAUTHORIZED');
    world.sockets[0]?.say(expiring);
    await pass(SECOND);
    expect(ticket.refusal).toBeInstanceOf(SignInRequired);
    expect(client.readyState).toBe(1);
    world.sockets[0]?.end(3000, 'session_expired');
    await pass(10 * MINUTE);
    expect(client.connectionError?.code).toBe(4001);
    expect(world.mints).toHaveLength(3);
  });

  test('the socket is gone when the ticket comes: it is not sent to another', async () => {
    const { world } = await open();
    world.sockets[0]?.say(expiring);
    world.sockets[0]?.end(1006, '');
    await pass(10 * SECOND);
    expect(world.sockets.flatMap(({ sent }) => sent)).toEqual([]);
  });

  test.for([
    'ticket.expiring',
    { type: 'chat', text: '{"type":"ticket.expiring"}' },
    { text: 'x', type: 'ticket.expiring' },
  ])('%j is none', async (frame) => {
    const { world } = await open();
    world.sockets[0]?.say(frame);
    await pass(SECOND);
    expect(world.mints).toHaveLength(1);
  });

  test('six sessions that end at the same time are all renewed in time', async () => {
    const world = new World();
    const ticket = createTicketProvider(world.options());
    clientsOf(ticket, 6);
    await pass(MINUTE);
    for (const socket of world.sockets) socket.say(expiring);
    await pass(15 * SECOND);
    expect(world.sockets.map(({ sent }) => sent.length)).toEqual([1, 1, 1, 1, 1, 1]);
  });

  test('a flood of warnings, which an agent may pass on from a stranger, mints one in ten seconds', async () => {
    const { world } = await open();
    for (let turn = 0; turn < 300; turn += 1) {
      world.sockets[0]?.say(expiring);
      world.sockets[0]?.say({ type: 'ticket.renewed' });
      await pass(SECOND);
    }
    expect(world.mints.length).toBeLessThanOrEqual(31);
  });

  test('sessions of nobody in particular do not renew', async () => {
    const { world } = await open({ credential: { kind: 'none' } });
    world.sockets[0]?.say(expiring);
    await pass(SECOND);
    expect(world.mints).toHaveLength(1);
  });
});
