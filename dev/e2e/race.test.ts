import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { expect, it } from 'vitest';
import { mint } from './broker.ts';
import { nextFrame, openSocket, socketUrl, watchToClose } from './sockets.ts';
import { eventsOf, sessionsOf } from './stack-queries.ts';

const TRIES = 100;

it('of a hundred concurrent sockets with one ticket one opens, and the others get a close that asks for a new ticket', async () => {
  const instance = 'raced-for';
  const { url, protocols, jti, kid } = { ...(await mint({ instance })), kid: expect.any(String) };
  const bare = socketUrl('counter', instance);
  const all = Array.from({ length: TRIES }, (_, i) =>
    i % 2 === 0 ? openSocket(url) : openSocket(bare, { protocols }),
  );
  const outcomes = await Promise.all(
    all.map(({ socket, closed }) =>
      nextFrame(socket).then(
        () => 'opened' as const,
        () => closed,
      ),
    ),
  );

  expect(outcomes.filter((outcome) => outcome === 'opened')).toHaveLength(1);
  const refused = outcomes.filter((outcome) => outcome !== 'opened');
  expect(refused).toHaveLength(TRIES - 1);
  for (const seen of refused) expect(seen).toMatchObject({ frames: [], code: 3000, reason: 'ticket_used' });

  await eventually(async () => {
    const types = (await eventsOf('counter', instance)).map((event) => event.type);
    expect(types.toSorted()).toEqual(['session.opened', 'ticket.issued', 'ticket.replayed', 'ticket.used']);
  });
  expect(await sessionsOf('counter', instance)).toEqual([
    expect.objectContaining({ jti, kid, ended_at: null }),
  ]);
});

it('a ticket whose session has ended opens no second one', async () => {
  const { url } = await mint({ instance: 'once' });
  const first = openSocket(url);
  await nextFrame(first.socket);
  first.socket.close(1000);
  await first.closed;
  expect(await watchToClose(url)).toMatchObject({ frames: [], code: 3000, reason: 'ticket_used' });
});

it('a ticket that is presented at another instance remains unused', async () => {
  const { url, ticket } = await mint({ instance: 'right' });
  const elsewhere = await watchToClose(socketUrl('counter', 'wrong', { ticket }));
  expect(elsewhere).toMatchObject({ frames: [], code: 4003 });
  expect(await nextFrame(openSocket(url).socket)).toContain('cf_agent_identity');
});
