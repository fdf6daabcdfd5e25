import { describe, expect, test } from 'vitest';
import { advance, BROKER, FakeBackend, MINUTE, refusal, SECOND } from '../test/fake-backend.ts';
import { connect, fakeTime, open, untilOpen } from '../test/stock-client.ts';
import { Forbidden, SignInRequired, TicketRefused } from './provider.ts';

/** The stock client after a refusal. */

fakeTime();

test('a close beyond a limit is a refusal that names the limit', async () => {
  const { backend, client, ticket } = await open();
  backend.sockets[0]?.end(1008, 'frame_too_large');
  await advance(30 * MINUTE);
  expect(backend.mints).toHaveLength(1);
  expect(client.connectionError?.code).toBe(1008);
  expect(ticket.refusal).toBeInstanceOf(TicketRefused);
  expect(ticket.refusal).toMatchObject({ status: 429, code: 'frame_too_large' });
});

describe('a refusal is final', () => {
  const REFUSALS = [
    { status: 401, code: 'UNAUTHORIZED', close: 4001, reason: 'unauthorized', kind: SignInRequired },
    { status: 401, code: 'TOKEN_EXPIRED', close: 4001, reason: 'token_expired', kind: SignInRequired },
    { status: 403, code: 'FORBIDDEN', close: 4003, reason: 'forbidden', kind: Forbidden },
    { status: 404, code: 'NOT_FOUND', close: 4004, reason: 'not_found', kind: TicketRefused },
    { status: 400, code: 'BAD_REQUEST', close: 4000, reason: 'bad_request', kind: TicketRefused },
  ];
  const signInUrl = `${BROKER}/auth/login?return_to=https%3A%2F%2Fapp.example.com%2Froom%3Ftab%3D1`;

  test.for(REFUSALS.flatMap((each) => [each, { ...each, delivery: 'query' as const }]))(
    '$status $code (delivery $delivery): one mint, no upgrade, connectionError $close',
    async ({ status, code, close, reason, kind, ...more }) => {
      const backend = new FakeBackend();
      backend.broker = refusal(status, code);
      const { client, ticket } = connect(backend, more);
      await advance(30 * MINUTE);
      expect(backend.mints).toHaveLength(1);
      expect(backend.sockets).toHaveLength(0);
      expect(client.connectionError).toMatchObject({ code: close, reason });
      expect(ticket.refusal).toBeInstanceOf(kind);
      expect(ticket.refusal).toMatchObject({ status, code, requestId: 'r-1', signInUrl, message: 'no' });
      await expect(client.call('whoami')).rejects.toThrow('Connection closed');
    },
  );

  test('at a reconnect as at the first connect', async () => {
    const { backend, client, ticket } = await open();
    backend.broker = refusal(401, 'UNAUTHORIZED');
    backend.sockets[0]?.end(3000, 'session_expired');
    await advance(30 * MINUTE);
    expect(backend.mints).toHaveLength(2);
    expect(client.connectionError?.code).toBe(4001);
    expect(ticket.refusal).toBeInstanceOf(SignInRequired);
  });

  test('after the sign-in: reset, reconnect, open, and the refusal is gone', async () => {
    const backend = new FakeBackend();
    backend.broker = refusal(401, 'UNAUTHORIZED');
    const fixture = connect(backend);
    const seen: unknown[] = [];
    const stop = fixture.ticket.subscribe(() => seen.push(fixture.ticket.refusal?.name));
    await advance(SECOND);
    backend.broker = 'mints';
    fixture.ticket.reset();
    fixture.client.reconnect();
    await untilOpen(fixture, SECOND);
    expect(seen).toEqual(['SignInRequired', undefined, undefined]);
    stop();
    fixture.ticket.reset();
    expect(seen).toHaveLength(3);
  });

  test.for([
    { close: 4000, kind: TicketRefused, signIn: false },
    { close: 4001, kind: SignInRequired, signIn: true },
    { close: 4003, kind: Forbidden, signIn: false },
    { close: 4004, kind: TicketRefused, signIn: false },
  ])('a close by $close is the same refusal', async ({ close, kind }) => {
    const { backend, client, ticket } = await open();
    backend.sockets[0]?.end(close, 'from_the_agent');
    await advance(30 * MINUTE);
    expect(backend.mints).toHaveLength(1);
    expect(client.connectionError?.code).toBe(close);
    expect(ticket.refusal).toBeInstanceOf(kind);
    expect(ticket.refusal?.code).toBe('from_the_agent');
    client.reconnect();
    await advance(SECOND);
    expect(ticket.refusal).toBeUndefined();
  });

  test("a final close of the agent's own is no refusal of a ticket", async () => {
    const { backend, client, ticket } = await open();
    backend.sockets[0]?.end(4100, 'kicked');
    await advance(MINUTE);
    expect(client.connectionError?.code).toBe(4100);
    expect(ticket.refusal).toBeUndefined();
  });
});
