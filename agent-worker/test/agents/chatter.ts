import { AIChatAgent } from '@cloudflare/ai-chat';
import type { Connection, WSMessage } from 'agents';
import { ticketed } from '../../src/ticketed.ts';

/** The frame of an answer in progress, in the AI SDK's UI message stream. */
const CHUNKS = {
  begin: [{ type: 'start' }, { type: 'text-start', id: 'text' }],
  end: [{ type: 'text-end', id: 'text' }, { type: 'finish' }],
} as const;
const encode = (chunk: object): Uint8Array => new TextEncoder().encode(`data: ${JSON.stringify(chunk)}\n\n`);

/** A chat whose answers come word by word, under the control of a test. */
export class Chatter extends ticketed(AIChatAgent<Cloudflare.Env>) {
  /** The principal of each turn. */
  askedBy: string[] = [];
  #answer: ReadableStreamDefaultController<Uint8Array> | undefined;

  override async onChatMessage(): Promise<Response> {
    this.askedBy.push(this.principal().principal);
    await this.#runApproved();
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.#answer = controller;
        for (const chunk of CHUNKS.begin) controller.enqueue(encode(chunk));
      },
    });
    return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
  }

  /** What became of each call that was approved. */
  ran: string[] = [];

  /** As the AI SDK does at the beginning of a turn. */
  async #runApproved(): Promise<void> {
    const calls = this.messages
      .flatMap(({ parts }) => parts)
      .filter((part) => 'toolCallId' in part && part.state === 'approval-responded');
    const execute = async (_input: object, { toolCallId }: { toolCallId: string }): Promise<string> =>
      `${toolCallId} ran`;
    const { wipe } = this.guardTools({ wipe: { execute } });
    for (const { toolCallId } of calls as { toolCallId: string }[])
      this.ran.push(await wipe.execute({}, { toolCallId }).catch((error: Error) => error.message));
  }

  /** The model calls a tool some times, each of which is to be approved. */
  askFor(...toolCallIds: string[]): void {
    for (const toolCallId of toolCallIds) {
      this.#answer?.enqueue(
        encode({ type: 'tool-input-available', toolCallId, toolName: 'wipe', input: {} }),
      );
      this.#answer?.enqueue(
        encode({ type: 'tool-approval-request', approvalId: `of ${toolCallId}`, toolCallId }),
      );
    }
    this.finish();
  }

  sendWord(word: string): void {
    this.#answer?.enqueue(encode({ type: 'text-delta', id: 'text', delta: word }));
  }

  finish(): void {
    for (const chunk of CHUNKS.end) this.#answer?.enqueue(encode(chunk));
    this.#answer?.close();
    this.#answer = undefined;
  }
}

/** The same with every method overridden, and few of the originals called. */
export class ChatOverrider extends Chatter {
  received: string[] = [];

  /** A field: replaces the handlers of the SDK and of its chat. */
  override onMessage = async (connection: Connection, message: WSMessage): Promise<void> => {
    this.received.push(String(message));
    connection.send(JSON.stringify({ type: 'received' }));
  };

  override async onRequest(): Promise<Response> {
    this.received.push('request');
    return Response.json(this.messages);
  }

  override broadcast(message: string | ArrayBuffer | ArrayBufferView): void {
    this.received.push('broadcast');
    super.broadcast(message);
  }

  override shouldSendProtocolMessages(): boolean {
    return true;
  }
}
