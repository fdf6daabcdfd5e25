import { describe, expect, test } from 'vitest';
import { advance, FakeBackend, MINUTE, refusal, SECOND } from '../test/fake-backend.ts';
import { clientsOf, expectMintLimit, fakeTime, open, untilOpen } from '../test/stock-client.ts';
import { createTicketProvider, SignInRequired } from './provider.ts';

/** Sessions are extended without a new socket. */

fakeTime();

describe('renewal in band', () => {
  const expiring = { type: 'ticket.expiring', session_expires_at: '2001-01-01T01:00:00.000Z' };

  test('answers the warning with a new ticket, on the same socket', async () => {
    const { backend, client, ticket } = await open();
    const [socket] = backend.sockets;
    // Attached by the options already: a second time would renew twice.
    ticket.attachRenewal(client);
    socket?.receive(expiring);
    socket?.receive(expiring);
    await advance(SECOND);
    expect(socket?.sent).toEqual([JSON.stringify({ type: 'ticket.renew', ticket: 'h.t2.s' })]);
    expect(backend.mints).toHaveLength(2);
    socket?.receive({ type: 'ticket.renewed', scope: 'agent:connect', session_expires_at: 'x' });
    await advance(60 * MINUTE);
    socket?.receive(expiring);
    await advance(SECOND);
    expect(socket?.sent).toHaveLength(2);
    expect(client.readyState).toBe(1);
    expect(backend.sockets).toHaveLength(1);
  });

  test('when the app asks: each open socket, once in ten seconds', async () => {
    const backend = new FakeBackend();
    const ticket = createTicketProvider(backend.options());
    clientsOf(ticket, 2);
    await advance(MINUTE);
    ticket.renewNow();
    ticket.renewNow();
    await advance(9 * SECOND);
    ticket.renewNow();
    await advance(SECOND);
    expect(backend.sockets.map(({ sent }) => sent.length)).toEqual([1, 1]);
    await advance(15 * SECOND);
    ticket.renewNow();
    await advance(SECOND);
    expect(backend.sockets.map(({ sent }) => sent.length)).toEqual([2, 2]);
    expectMintLimit(backend);
  });

  test('when the app asks, with a socket that is closed or anonymous: nothing', async () => {
    const closed = await open();
    closed.client.close();
    await advance(SECOND);
    closed.ticket.renewNow();
    const anonymous = await open({ credential: { kind: 'none' } });
    anonymous.ticket.renewNow();
    await advance(SECOND);
    expect([closed, anonymous].map(({ backend }) => backend.mints.length)).toEqual([1, 1]);
  });

  test('refused: the session lasts until its end, then a new ticket opens the next', async () => {
    const fixture = await open();
    const [socket] = fixture.backend.sockets;
    socket?.receive(expiring);
    await advance(SECOND);
    socket?.receive({ type: 'ticket.refused', code: 'forbidden' });
    await advance(50 * SECOND);
    expect(socket?.sent).toHaveLength(1);
    expect(fixture.client.readyState).toBe(1);
    socket?.end(3000, 'session_expired');
    expect(await untilOpen(fixture)).toBeLessThanOrEqual(6 * SECOND);
    expect(fixture.backend.mints).toHaveLength(3);
  });

  test('the broker is away for half a minute: renewed as soon as it is back', async () => {
    const { backend } = await open();
    backend.broker = 'unreachable';
    backend.sockets[0]?.receive(expiring);
    await advance(30 * SECOND);
    backend.broker = 'mints';
    await advance(15 * SECOND);
    expect(backend.sockets[0]?.sent).toHaveLength(1);
    expectMintLimit(backend);
  });

  test('nobody is signed in any more: the refusal comes before the session ends, and then it ends', async () => {
    const { backend, client, ticket } = await open();
    backend.broker = refusal(401, 'UNAUTHORIZED');
    backend.sockets[0]?.receive(expiring);
    await advance(SECOND);
    expect(ticket.refusal).toBeInstanceOf(SignInRequired);
    expect(client.readyState).toBe(1);
    backend.sockets[0]?.end(3000, 'session_expired');
    await advance(10 * MINUTE);
    expect(client.connectionError?.code).toBe(4001);
    expect(backend.mints).toHaveLength(3);
  });

  test('the socket has closed when the ticket comes: no other socket gets it', async () => {
    const { backend } = await open();
    backend.sockets[0]?.receive(expiring);
    backend.sockets[0]?.end(1006, '');
    await advance(10 * SECOND);
    expect(backend.sockets.flatMap(({ sent }) => sent)).toEqual([]);
  });

  test.for([
    'ticket.expiring',
    { type: 'chat', text: '{"type":"ticket.expiring"}' },
    { text: 'x', type: 'ticket.expiring' },
  ])('%j is no warning', async (frame) => {
    const { backend } = await open();
    backend.sockets[0]?.receive(frame);
    await advance(SECOND);
    expect(backend.mints).toHaveLength(1);
  });

  test('six sessions that end at the same time are all renewed in time', async () => {
    const backend = new FakeBackend();
    const ticket = createTicketProvider(backend.options());
    clientsOf(ticket, 6);
    await advance(MINUTE);
    for (const socket of backend.sockets) socket.receive(expiring);
    await advance(15 * SECOND);
    expect(backend.sockets.map(({ sent }) => sent.length)).toEqual([1, 1, 1, 1, 1, 1]);
  });

  test('a flood of warnings, which an agent may relay from anybody, mints one in ten seconds', async () => {
    const { backend } = await open();
    for (let turn = 0; turn < 300; turn += 1) {
      backend.sockets[0]?.receive(expiring);
      backend.sockets[0]?.receive({ type: 'ticket.renewed' });
      await advance(SECOND);
    }
    expect(backend.mints.length).toBeLessThanOrEqual(31);
  });

  test('sessions of anonymous callers do not renew', async () => {
    const { backend } = await open({ credential: { kind: 'none' } });
    backend.sockets[0]?.receive(expiring);
    await advance(SECOND);
    expect(backend.mints).toHaveLength(1);
  });
});
