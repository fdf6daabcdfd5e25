import { describe, expect, test } from 'vitest';
import { Forbidden, SignInRequired, TicketRefused } from './provider.ts';
import { connect, open, stopTime, untilOpen } from './test-tab.ts';
import { BROKER, MINUTE, pass, refusal, SECOND, World } from './test-world.ts';

/** What the stock client does when it may not. */

stopTime();

describe('a refusal ends it, once and for all', () => {
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
      const world = new World();
      world.broker = refusal(status, code);
      const { client, ticket } = connect(world, more);
      await pass(30 * MINUTE);
      expect(world.mints).toHaveLength(1);
      expect(world.sockets).toHaveLength(0);
      expect(client.connectionError).toMatchObject({ code: close, reason });
      expect(ticket.refusal).toBeInstanceOf(kind);
      expect(ticket.refusal).toMatchObject({ status, code, requestId: 'r-1', signInUrl, message: 'no' });
      await expect(client.call('whoami')).rejects.toThrow('Connection closed');
    },
  );

  test('at a reconnect as at the first connect', async () => {
    const { world, client, ticket } = await open();
    world.broker = refusal(401, 'UNAUTHORIZED');
    world.sockets[0]?.end(3000, 'session_expired');
    await pass(30 * MINUTE);
    expect(world.mints).toHaveLength(2);
    expect(client.connectionError?.code).toBe(4001);
    expect(ticket.refusal).toBeInstanceOf(SignInRequired);
  });

  test('after the sign-in: reset, reconnect, open, and the refusal is gone', async () => {
    const world = new World();
    world.broker = refusal(401, 'UNAUTHORIZED');
    const tab = connect(world);
    const seen: unknown[] = [];
    const stop = tab.ticket.subscribe(() => seen.push(tab.ticket.refusal?.name));
    await pass(SECOND);
    world.broker = 'mints';
    tab.ticket.reset();
    tab.client.reconnect();
    await untilOpen(tab, SECOND);
    expect(seen).toEqual(['SignInRequired', undefined, undefined]);
    stop();
    tab.ticket.reset();
    expect(seen).toHaveLength(3);
  });

  test.for([
    { close: 4000, kind: TicketRefused, signIn: false },
    { close: 4001, kind: SignInRequired, signIn: true },
    { close: 4003, kind: Forbidden, signIn: false },
    { close: 4004, kind: TicketRefused, signIn: false },
  ])('a close by $close tells the same story', async ({ close, kind }) => {
    const { world, client, ticket } = await open();
    world.sockets[0]?.end(close, 'told');
    await pass(30 * MINUTE);
    expect(world.mints).toHaveLength(1);
    expect(client.connectionError?.code).toBe(close);
    expect(ticket.refusal).toBeInstanceOf(kind);
    expect(ticket.refusal?.code).toBe('told');
    client.reconnect();
    await pass(SECOND);
    expect(ticket.refusal).toBeUndefined();
  });

  test("a final close of the agent's own says nothing about tickets", async () => {
    const { world, client, ticket } = await open();
    world.sockets[0]?.end(4100, 'kicked');
    await pass(MINUTE);
    expect(client.connectionError?.code).toBe(4100);
    expect(ticket.refusal).toBeUndefined();
  });
});
