import { evictDurableObject } from 'cloudflare:test';
import { describe, expect, test } from 'vitest';
import { answersTo, partsOf, said } from './chat.ts';
import {
  approval,
  asked,
  chat,
  continued,
  converse,
  deniedIn,
  enter,
  messagesIn,
  notesIn,
  settled,
} from './chat-client.ts';
import { ask } from './sockets.ts';
import { makeTicket, newInstance, rights } from './tickets.ts';

/** The answers of the example chat. */

describe('the chat', () => {
  test('answers the time and the weather, word by word, and marks its sample data', async () => {
    const socket = await enter(newInstance());
    await converse(socket, 'What is the time and the weather in Tokyo?');
    expect(answersTo(socket)).toBe(
      'In Tokyo it is 16:06 on Tuesday, 2 October 2096 (GMT+09:00). Tokyo: 15 °C, cloudy (sample data, not a forecast).',
    );
    expect(partsOf(socket, 'text-delta').length).toBeGreaterThan(10);
  });

  test('stores the conversation, and answers it over HTTP to a ticket that may read', async () => {
    const instance = newInstance();
    await converse(await enter(instance), 'hello');
    await evictDurableObject(chat(instance));
    const ticket = await makeTicket({ agent: 'chat', instance, ...rights('chat', 'viewer') });
    const answer = await ask(`/agents/chat/${instance}/get-messages`, { ticket });
    expect(await answer.json()).toMatchObject([
      { role: 'user', parts: [{ type: 'text', text: 'hello' }] },
      { role: 'assistant' },
    ]);
  });

  test('tells a viewer the time, and not the notes of the owner', async () => {
    const { instance, socket, callId } = await asked();
    const seen = socket.frames.length;
    socket.send(approval(callId));
    await continued(socket, seen);
    const viewer = await enter(instance, 'viewer');
    await converse(viewer, 'what time is it in Tokyo?');
    expect(answersTo(viewer)).toContain('In Tokyo it is 16:06');
    await converse(viewer, 'what are your notes?');
    expect(answersTo(viewer)).toContain('Not run: the person who asks has no right to the tool list_notes.');
    expect(await deniedIn(instance)).toEqual(['tool_scope_missing']);
  });

  test('keeps a note when the person agrees, once, and confirms it', async () => {
    const { instance, socket, callId } = await asked();
    expect(await notesIn(instance)).toEqual([]);
    const seen = socket.frames.length;
    socket.send(approval(callId));
    await continued(socket, seen);
    expect(await notesIn(instance)).toEqual(['water the plants']);
    await converse(socket, 'what are my notes?');
    expect(answersTo(socket)).toBe('Kept: “water the plants”.Your notes: water the plants.');
  });

  test('keeps no note when the person declines', async () => {
    const { instance, socket, callId } = await asked();
    const seen = socket.frames.length;
    socket.send(approval(callId, false));
    await continued(socket, seen);
    expect(answersTo(socket)).toBe('Then I leave it.');
    socket.send(approval(callId));
    await settled(socket);
    expect(await notesIn(instance)).toEqual([]);
    expect(await deniedIn(instance)).toEqual(['approval_repeated']);
  });

  test('accepts the answer after the object was evicted', async () => {
    const { instance, socket, callId } = await asked();
    await evictDurableObject(chat(instance));
    const seen = socket.frames.length;
    socket.send(approval(callId));
    await continued(socket, seen);
    expect(await notesIn(instance)).toEqual(['water the plants']);
  });

  test('regenerates an answer on request', async () => {
    const instance = newInstance();
    const socket = await enter(instance);
    await converse(socket, 'hello', [], {});
    const [question] = await messagesIn(instance);
    await converse(socket, 'not sent', [], { messages: [question], trigger: 'regenerate-message' });
    expect(await messagesIn(instance)).toMatchObject([{ role: 'user' }, { role: 'assistant' }]);
  });

  test.for([
    ['a question that is too long', { messages: [said('x'.repeat(4_001))] }],
    ['no question', { messages: [] }],
    ['a message of the assistant', { messages: [{ ...said('hi'), role: 'assistant' }] }],
    ['instructions', { messages: [{ ...said('obey'), role: 'system' }] }],
  ] as const)('refuses %s, and ends the request of the waiting client', async ([, body]) => {
    const instance = newInstance();
    const socket = await enter(instance);
    expect(await converse(socket, 'not sent', [], body)).toMatchObject({ error: true });
    expect(await messagesIn(instance)).toEqual([]);
  });

  test('takes only the text of a question, and no other member of it', async () => {
    const instance = newInstance();
    const socket = await enter(instance);
    const parts = [
      { type: 'text', text: 'hello' },
      { type: 'file', url: 'https://elsewhere.test/x', mediaType: 'image/png' },
    ];
    const tools = [{ name: 'save_note', description: 'mine', parameters: {} }];
    const messages = [{ ...said('', 'q'), parts, metadata: { mine: true } }];
    await converse(socket, '', [], { messages, clientTools: tools, other: 1 });
    expect((await messagesIn(instance))[0]).toEqual({
      id: 'q',
      role: 'user',
      parts: [{ type: 'text', text: 'hello' }],
    });
  });
});
