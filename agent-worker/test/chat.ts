import type { Frame, Socket } from './sockets.ts';

/** The chat protocol of the SDK, as its stock client sends it. */

export interface ChatMessage {
  readonly id: string;
  readonly role: string;
  readonly parts: readonly object[];
}

export const said = (text: string, id: string = crypto.randomUUID()): ChatMessage => ({
  id,
  role: 'user',
  parts: [{ type: 'text', text }],
});

/** The frame that the stock client sends for a question: with all the messages that it knows. */
export const chatRequest = (
  id: string,
  text: string,
  before: readonly ChatMessage[] = [],
  other: object = {},
): Frame => ({
  type: 'cf_agent_use_chat_request',
  id,
  init: {
    method: 'POST',
    body: JSON.stringify({ messages: [...before, said(text)], trigger: 'submit-message', ...other }),
  },
});

interface Chunk {
  readonly type: string;
  readonly delta?: string;
  readonly toolCallId?: string;
}

/** The chunks of all answers, each as text. */
export const chunksOf = ({ frames }: Socket): string[] =>
  frames.flatMap(({ type, body }) =>
    type === 'cf_agent_use_chat_response' && typeof body === 'string' && body !== '' ? [body] : [],
  );

/** The chunks of one type. */
export const partsOf = (socket: Socket, type: string): Chunk[] =>
  chunksOf(socket)
    .map((chunk): Chunk => JSON.parse(chunk))
    .filter((chunk) => chunk.type === type);

/** The text of all answers. */
export const answersTo = (socket: Socket): string =>
  partsOf(socket, 'text-delta')
    .map(({ delta }) => delta)
    .join('');

/** Waits until the text of all answers is `text`. */
export const answered = (socket: Socket, text: string): Promise<Frame> =>
  socket.next(0, () => answersTo(socket) === text);
