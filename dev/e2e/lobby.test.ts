import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { expect, it } from 'vitest';
import { askForTicket, decodePayload, mint } from './broker.ts';
import { connected, nextFrame, openSocket } from './sockets.ts';

interface Board {
  title: string;
  notices: string[];
}

const LOBBY = { agent: 'lobby', instance: 'main' } as const;
const asAnonymous = {};

const enter = async (errors: string[] = []) =>
  connected<Board>('lobby', 'main', {
    query: { ticket: (await mint(LOBBY, asAnonymous)).ticket },
    onStateUpdateError: (error) => errors.push(error),
  });

it('an anonymous client reads the lobby', async () => {
  const { ticket, role, scope } = await mint(LOBBY, asAnonymous);
  expect({ role, scope }).toEqual({ role: 'viewer', scope: 'agent:connect agent:state:read' });
  const client = await connected<Board>('lobby', 'main', { query: { ticket } });
  expect(client.state).toEqual({ title: 'Lobby', notices: [expect.any(String)] });
});

it('every visit of an anonymous client is another principal', async () => {
  const [first, second] = [await mint(LOBBY, asAnonymous), await mint(LOBBY, asAnonymous)].map(
    ({ ticket }) => decodePayload(ticket).sub,
  );
  expect(first).toMatch(/^anonymous:.+/);
  expect(second).toMatch(/^anonymous:.+/);
  expect(second).not.toBe(first);
});

it('an anonymous client changes nothing there, by state, call or message', async () => {
  const errors: string[] = [];
  const client = await enter(errors);
  client.setState({ title: 'Mine', notices: [] });
  await eventually(() => expect(errors).toEqual(['forbidden']));
  await expect(client.call('setState', [{ title: 'Mine', notices: [] }])).rejects.toThrow(/^forbidden$/);
  await expect(client.call('increment')).rejects.toThrow(/^forbidden$/);

  const { socket } = openSocket((await mint(LOBBY, asAnonymous)).url);
  await nextFrame(socket);
  const denied = new Promise<unknown>((resolve) => {
    socket.addEventListener('message', ({ data }) => {
      const frame: { type: string } = JSON.parse(String(data));
      if (frame.type === 'ticket.denied') resolve(frame);
    });
  });
  socket.send('let me write');
  expect(await denied).toEqual({ type: 'ticket.denied', code: 'forbidden', scope: 'agent:message' });

  expect((await enter()).state).toMatchObject({ title: 'Lobby' });
});

it('a service has no more rights there than an anonymous client', async () => {
  expect(await mint(LOBBY)).toMatchObject({ role: 'viewer', scope: 'agent:connect agent:state:read' });
});

it.each([
  ['the counter', { agent: 'counter', instance: 'main' }, 401, 'UNAUTHORIZED'],
  ['an agent that there is not', { agent: 'no-such-agent', instance: 'main' }, 401, 'UNAUTHORIZED'],
  ['another instance of the lobby', { agent: 'lobby', instance: 'attic' }, 404, 'NOT_FOUND'],
  ['the right to write', { ...LOBBY, scope: 'agent:state:write' }, 403, 'FORBIDDEN'],
])('an anonymous client gets no ticket for %s', async (_name, request, status, code) => {
  const answer = await askForTicket(request, asAnonymous);
  expect(answer.status).toBe(status);
  expect(await answer.json()).toMatchObject({ error: { code } });
});
