import { runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { describe, expect, test, vi } from 'vitest';
import { answered, chatRequest, chunksOf, partsOf } from './chat.ts';
import { approval } from './chat-client.ts';
import { lock, revoke } from './commands.ts';
import { gate } from './gate.ts';
import { ownSessions } from './objects.ts';
import { eventsOf } from './record.ts';
import { ask, connect, type Socket } from './sockets.ts';
import { makeTicket, NOW, newInstance, SUBJECT } from './tickets.ts';

/** `ticketed(AIChatAgent)`: frames, streams and history of the SDK's chat. */

const ALL = 'agent:connect agent:state:read agent:message';
const chatter = (instance: string) => env.CHATTER.get(env.CHATTER.idFromName(instance));
const sendWord = (instance: string, word: string) =>
  runInDurableObject(chatter(instance), (agent) => agent.sendWord(word));
const finish = (instance: string) => runInDurableObject(chatter(instance), (agent) => agent.finish());
const messagesIn = (instance: string) => runInDurableObject(chatter(instance), ({ messages }) => messages);

async function enter(instance: string, scope = ALL, claims: object = {}): Promise<Socket> {
  const ticket = await makeTicket({ instance, agent: 'chatter', scope, ...claims });
  return connect(`/agents/chatter/${instance}`, { ticket, front: gate });
}

/** A turn under way: asked, and its first word spoken. */
async function converse(instance: string, socket: Socket): Promise<void> {
  socket.send(chatRequest('turn-1', 'hello'));
  await socket.frame('cf_agent_use_chat_response');
  await sendWord(instance, 'one ');
  await answered(socket, 'one ');
}

describe('frames of a chat', () => {
  const frames = {
    'a question': chatRequest('turn-1', 'hello'),
    'a whole transcript': {
      type: 'cf_agent_chat_messages',
      messages: [{ id: 'm', role: 'user', parts: [{ type: 'text', text: 'hello' }] }],
    },
    'the result of a tool': { type: 'cf_agent_tool_result', toolCallId: 'c', toolName: 't', output: 1 },
    'an approval': { type: 'cf_agent_tool_approval', toolCallId: 'c', approved: true, autoContinue: true },
    'a cancellation': { type: 'cf_agent_chat_request_cancel', id: 'turn-1' },
    'clearing of the history': { type: 'cf_agent_chat_clear' },
  };

  test.for(Object.entries(frames))('%s needs agent:message', async ([, frame]) => {
    const instance = newInstance();
    const owner = await enter(instance);
    await converse(instance, owner);
    const before = await messagesIn(instance);
    const viewer = await enter(instance, 'agent:connect agent:state:read');
    viewer.send(frame);
    expect(await viewer.frame('ticket.denied')).toEqual({
      type: 'ticket.denied',
      code: 'forbidden',
      scope: 'agent:message',
    });
    await eventually(async () => {
      const denied = (await eventsOf(instance)).filter(({ type }) => type === 'rpc.denied');
      expect(denied).toMatchObject([{ code: 'frame_scope_missing', user_id: SUBJECT }]);
    });
    expect(await messagesIn(instance)).toEqual(before);
    await sendWord(instance, 'two');
    await answered(owner, 'one two');
    await finish(instance);
  });

  test('that resume a stream need no more than agent:connect', async () => {
    const socket = await enter(newInstance(), 'agent:connect');
    socket.send({ type: 'cf_agent_stream_resume_request' });
    expect(await socket.frame('cf_agent_stream_resume_none')).toBeTruthy();
  });

  test('with their scope make a turn, for the one who asked', async () => {
    const instance = newInstance();
    const socket = await enter(instance);
    await converse(instance, socket);
    await sendWord(instance, 'two');
    await finish(instance);
    await answered(socket, 'one two');
    await socket.next(0, ({ done }) => done === true);
    expect(await runInDurableObject(chatter(instance), ({ askedBy }) => askedBy)).toEqual([SUBJECT]);
    expect(await messagesIn(instance)).toMatchObject([{ role: 'user' }, { role: 'assistant' }]);
  });
});

describe('an answer in progress', () => {
  test('stops at once for a session that was ended, and for nobody else', async () => {
    const instance = newInstance();
    const first = await enter(instance);
    const [session] = await ownSessions(chatter(instance));
    const [asker, last] = [await enter(instance), await enter(instance)];
    await converse(instance, asker);
    await answered(first, 'one ');
    await revoke(chatter(instance), lock(`session:${session?.id}`, { code: 'session_terminated' }));
    await sendWord(instance, 'two');
    await answered(asker, 'one two');
    await answered(last, 'one two');
    expect(await first.closed()).toEqual({ code: 4003, reason: 'forbidden' });
    expect(chunksOf(first).join('')).not.toContain('two');
    await finish(instance);
  });

  test('stops for a session that has expired, before any sweep', async () => {
    const instance = newInstance();
    const asker = await enter(instance);
    const guest = await enter(instance, ALL, { session_expiry: NOW + 60 });
    await converse(instance, asker);
    await answered(guest, 'one ');
    vi.setSystemTime((NOW + 61) * 1000);
    await sendWord(instance, 'two');
    await answered(asker, 'one two');
    guest.send({ type: 'cf_agent_stream_resume_request' });
    expect(await guest.closed()).toEqual({ code: 3000, reason: 'session_expired' });
    expect(chunksOf(guest).join('')).not.toContain('two');
    await finish(instance);
  });

  test('goes on for its principal after a reconnect with a new ticket, from its beginning', async () => {
    const instance = newInstance();
    const asker = await enter(instance);
    await converse(instance, asker);
    asker.close();
    await sendWord(instance, 'two ');
    const again = await enter(instance);
    const { id } = await again.frame('cf_agent_stream_resuming');
    again.send({ type: 'cf_agent_stream_resume_ack', id });
    await answered(again, 'one two ');
    await sendWord(instance, 'three');
    await answered(again, 'one two three');
    await finish(instance);
  });

  test('does not begin again for a session that is over', async () => {
    const instance = newInstance();
    const asker = await enter(instance);
    await converse(instance, asker);
    const guest = await enter(instance, 'agent:connect', { session_expiry: NOW + 60 });
    const { id } = await guest.frame('cf_agent_stream_resuming');
    vi.setSystemTime((NOW + 61) * 1000);
    guest.send({ type: 'cf_agent_stream_resume_ack', id });
    expect(await guest.closed()).toEqual({ code: 3000, reason: 'session_expired' });
    expect(chunksOf(guest)).toEqual([]);
    await finish(instance);
  });
});

describe('the transcript', () => {
  test('is sent only to sessions with agent:state:read', async () => {
    const instance = newInstance();
    const [asker, reader] = [await enter(instance), await enter(instance)];
    const blind = await enter(instance, 'agent:connect agent:message');
    asker.send(chatRequest('turn-1', 'a private word'));
    await reader.frame('cf_agent_chat_messages');
    await blind.frame('cf_agent_use_chat_response');
    await finish(instance);
    await blind.next(0, ({ done }) => done === true);
    expect(JSON.stringify(reader.frames)).toContain('a private word');
    expect(JSON.stringify(blind.frames)).not.toContain('a private word');
  });

  test('is answered over HTTP to a ticket in Authorization with agent:state:read', async () => {
    const instance = newInstance();
    const socket = await enter(instance);
    socket.send(chatRequest('turn-1', 'hello'));
    await socket.frame('cf_agent_use_chat_response');
    const path = `/agents/chatter/${instance}/get-messages`;
    const of = (scope: string, transport = 'websocket') =>
      makeTicket({ instance, agent: 'chatter', scope, transport });
    const read = await ask(path, { ticket: await of('agent:connect agent:state:read'), front: gate });
    expect(read.status).toBe(200);
    expect(await read.json()).toMatchObject([{ role: 'user', parts: [{ text: 'hello' }] }]);
    expect((await ask(path, { ticket: await of(ALL, 'http'), front: gate })).status).toBe(200);
    expect((await ask(path, { ticket: await of('agent:connect agent:message'), front: gate })).status).toBe(
      403,
    );
    expect((await ask(`${path}?ticket=${await of(ALL)}`, { front: gate })).status).toBe(401);
    expect((await ask(path, { front: gate })).status).toBe(401);
    await finish(instance);
  });
});

describe('a chat that overrides onMessage by a field, onRequest and broadcast', () => {
  const overrider = (instance: string) => env.CHAT_OVERRIDER.get(env.CHAT_OVERRIDER.idFromName(instance));
  const enterOverrider = async (instance: string, scope: string): Promise<Socket> => {
    const ticket = await makeTicket({ instance, agent: 'chat-overrider', scope });
    return connect(`/agents/chat-overrider/${instance}`, { ticket, front: gate });
  };
  const received = (instance: string) =>
    runInDurableObject(overrider(instance), (agent) => agent.received.filter((one) => one !== 'broadcast'));

  test('receives frames and requests with their scope, and no others', async () => {
    const instance = newInstance();
    const path = `/agents/chat-overrider/${instance}/get-messages`;
    const viewer = await enterOverrider(instance, 'agent:connect');
    viewer.send(chatRequest('turn-1', 'hello'));
    await viewer.frame('ticket.denied');
    const blind = await makeTicket({ instance, agent: 'chat-overrider', scope: 'agent:connect' });
    expect((await ask(path, { ticket: blind, front: gate })).status).toBe(403);
    expect(await received(instance)).toEqual([]);
    const owner = await enterOverrider(instance, ALL);
    owner.send('hello');
    await owner.frame('received');
    expect(await received(instance)).toEqual(['hello']);
  });

  test('broadcasts to no session that is over', async () => {
    const instance = newInstance();
    const owner = await enterOverrider(instance, ALL);
    owner.send('hello');
    await owner.frame('received');
    vi.setSystemTime((NOW + 3600) * 1000);
    await runInDurableObject(overrider(instance), (agent) => agent.broadcast('{"type":"late"}'));
    owner.send('hello');
    expect(await owner.closed()).toEqual({ code: 3000, reason: 'session_expired' });
    expect(owner.frames.map(({ type }) => type)).not.toContain('late');
  });
});

test('a tool runs by the rights of who approved its call, whoever approved another one last', async () => {
  const instance = newInstance();
  const owner = await enter(instance, `${ALL} agent:tool:*`);
  const guest = await enter(instance, ALL, { sub: 'auth0:t:guest' });
  await converse(instance, owner);
  await runInDurableObject(chatter(instance), (agent) => agent.askFor('one', 'two'));
  await eventually(async () => expect(partsOf(owner, 'tool-approval-request')).toHaveLength(2));
  guest.send(approval('one'));
  await new Promise((done) => setTimeout(done, 50));
  owner.send(approval('two'));
  await eventually(async () =>
    expect(await runInDurableObject(chatter(instance), ({ ran }) => ran)).toEqual([
      'Not run: the person who asks has no right to the tool wipe.',
      'two ran',
    ]),
  );
  await finish(instance);
});
