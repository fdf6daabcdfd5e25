import { runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import type { Role } from '@agent-ticket/shared/names.ts';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { expect, vi } from 'vitest';
import { type ChatMessage, chatRequest, chunksOf, partsOf } from './chat.ts';
import { sweep } from './objects.ts';
import { eventsOf } from './record.ts';
import { connect, type Frame, type Socket } from './sockets.ts';
import { makeTicket, newInstance, rights } from './tickets.ts';

/** Clients of the example chat, one instance for each test. */

export const chat = (instance: string) => env.CHAT.get(env.CHAT.idFromName(instance));

/** The notes that were kept, the oldest first. */
export const notesIn = (instance: string): Promise<string[]> =>
  runInDurableObject(chat(instance), (_, state) =>
    state.storage.sql
      .exec<{ text: string }>('SELECT text FROM chat_notes ORDER BY id')
      .toArray()
      .map(({ text }) => text),
  );

export const messagesIn = (instance: string) =>
  runInDurableObject(chat(instance), ({ messages }) => messages);

export async function enter(instance: string, role: Role = 'owner', claims: object = {}): Promise<Socket> {
  const ticket = await makeTicket({ agent: 'chat', instance, ...rights('chat', role), ...claims });
  return connect(`/agents/chat/${instance}`, { ticket });
}

let turns = 0;
/** Sends a question, and waits for the end of the turn. */
export async function converse(
  socket: Socket,
  text: string,
  before: readonly ChatMessage[] = [],
  other: object = {},
) {
  turns += 1;
  const id = `turn-${turns}`;
  socket.send(chatRequest(id, text, before, other));
  return socket.next(0, (frame) => frame.id === id && frame.done === true);
}

/** An instance whose chat has asked whether to keep a note. */
export async function asked(text = 'water the plants') {
  const instance = newInstance();
  const socket = await enter(instance);
  await converse(socket, `remember ${text}`);
  const [request] = partsOf(socket, 'tool-approval-request');
  if (request?.toolCallId === undefined) throw new Error(`nothing was asked: ${chunksOf(socket)}`);
  return { instance, socket, callId: request.toolCallId };
}

export const approval = (toolCallId: string, approved = true): Frame => ({
  type: 'cf_agent_tool_approval',
  toolCallId,
  approved,
  autoContinue: true,
});

/** The frame that ends the continuation of a turn after an approval. */
export async function continued(socket: Socket, seen: number): Promise<void> {
  const { id } = await socket.next(seen, ({ type }) => type === 'cf_agent_stream_resuming');
  socket.send({ type: 'cf_agent_stream_resume_ack', id });
  await socket.next(seen, (frame) => frame.id === id && frame.done === true);
}

/** Codes of the denials in the audit log, and how often each. */
const denialsIn = (instance: string) =>
  eventually(async () => {
    const denied = (await eventsOf(instance)).filter(({ type }) => type === 'rpc.denied');
    expect(denied).not.toEqual([]);
    return denied.map(({ code, details }) => ({ code, count: JSON.parse(details ?? '{}').count ?? 1 }));
  });

/** Codes of the denials in the audit log. */
export const deniedIn = async (instance: string) => (await denialsIn(instance)).map(({ code }) => code);

/** How often there was a denial of one code, once the minute is over in which they came. */
export async function timesDeniedIn(instance: string, expected: string): Promise<number> {
  vi.setSystemTime(Date.now() + 60_000);
  await sweep(chat(instance));
  return eventually(async () => {
    const denials = await denialsIn(instance);
    expect(denials.map(({ code }) => code)).toEqual([expected, expected]);
    return denials.reduce((sum, { count }) => sum + count, 0);
  });
}

/** After this turn, all earlier frames have been handled. */
export const settled = (socket: Socket) => converse(socket, 'what time is it in Lima?');
