import { AIChatAgent } from '@cloudflare/ai-chat';
import type { Connection } from 'agents';
import {
  convertToModelMessages,
  createUIMessageStreamResponse,
  isStepCount,
  streamText,
  toUIMessageStream,
} from 'ai';
import { ticketed } from '../ticketed.ts';
import { createConfirmations } from './chat/confirmations.ts';
import { hear } from './chat/intake.ts';
import { chooseModel } from './chat/model.ts';
import { createNotes } from './chat/notes.ts';
import { askFirst, chatTools } from './chat/tools.ts';

/** Where it is bound, the chat is answered by Workers AI. */
type Env = Cloudflare.Env & { readonly AI?: Ai };

const INSTRUCTIONS =
  'You are a brief, friendly assistant with four tools: the time in a city, sample weather (say that it is made up), ' +
  'keeping a note (the person is asked to confirm), and listing notes. Use a tool whenever one fits.';
/** A question, its tools, what comes of them: enough for every sensible turn, and an end to any other. */
const MAX_STEPS = 5;
const WORD_PAUSE_MS = 25;

/**
 * A private assistant with tools, one of which asks before it acts. Asked and answered are kept in the object's own
 * record; what a client says about it only ever answers a question there.
 */
export class Chat extends ticketed(AIChatAgent<Cloudflare.Env>) {
  /** Bounds what a client that sends its whole transcript along needs to send. */
  override maxPersistedMessages = 100;

  readonly #confirmations = createConfirmations(this.ctx.storage.sql);
  readonly #notes = createNotes(this.ctx.storage.sql);

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    const listen = this.onMessage.bind(this);
    // The SDK's chat handles its frames in what it puts here, before any method of a subclass.
    this.onMessage = async (connection, message) => {
      const frame = this.#hear(connection, message);
      if (frame !== undefined) await listen(connection, frame);
    };
  }

  override async onChatMessage(
    _onFinish: unknown,
    options?: { readonly abortSignal?: AbortSignal | undefined },
  ): Promise<Response> {
    const ports = {
      confirmations: this.#confirmations,
      notes: this.#notes,
      clock: () => Date.now(),
      onUnconfirmed: ({ callId }: { callId: string }) =>
        this.noteDenied('confirmation_missing', { call: callId }),
    };
    const env: Env = this.env;
    const result = streamText({
      model: chooseModel(env.AI, {
        randomId: () => crypto.randomUUID(),
        pause: () => new Promise((resolve) => setTimeout(resolve, WORD_PAUSE_MS)),
      }),
      instructions: INSTRUCTIONS,
      messages: await convertToModelMessages(this.messages, { ignoreIncompleteToolCalls: true }),
      tools: chatTools(ports),
      toolApproval: askFirst(ports),
      stopWhen: isStepCount(MAX_STEPS),
      ...(options?.abortSignal === undefined ? {} : { abortSignal: options.abortSignal }),
    });
    return createUIMessageStreamResponse({ stream: toUIMessageStream({ stream: result.stream }) });
  }

  /** What the SDK's chat is to hear of a frame; `undefined`: nothing. */
  #hear(connection: Connection, message: Parameters<AIChatAgent['onMessage']>[1]) {
    const { messages } = this;
    const heard = hear(message, { messages, isApproved: this.#confirmations.isApproved });
    const now = Date.now();
    switch (heard.kind) {
      case 'other':
        return message;
      case 'clear':
        this.#confirmations.lapse(now);
        return message;
      case 'ask':
        for (const call of heard.forged) this.noteDenied('transcript_forged', { call });
        this.#confirmations.lapse(now);
        return heard.frame;
      case 'answer': {
        const { callId, approved, frame } = heard;
        const refusal = this.#confirmations.answer(callId, approved, this.principal().principal, now);
        if (refusal === undefined) return frame;
        this.noteDenied(refusal, { call: callId });
        return undefined;
      }
      case 'drop':
        for (const call of heard.calls) this.noteDenied(heard.code ?? 'transcript_forged', { call });
        if (heard.requestId !== undefined) connection.send(refusalOf(heard.requestId, heard.say ?? ''));
        return undefined;
    }
  }
}

/** The end of a request in the chat's own words, so that its client does not wait. */
const refusalOf = (id: string, body: string): string =>
  JSON.stringify({ type: 'cf_agent_use_chat_response', id, body, error: true, done: true });
