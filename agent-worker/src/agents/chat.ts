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
import { createConfirmations, readFrame } from './chat/confirmations.ts';
import { chooseModel } from './chat/model.ts';
import { chatTools, createNotes, toolApproval } from './chat/tools.ts';

/** With this binding Workers AI answers the chat. */
type Env = Cloudflare.Env & { readonly AI?: Ai };

const INSTRUCTIONS =
  'You are a brief, friendly assistant with four tools: the time in a city, sample weather (say that it is made up), ' +
  'keeping a note (the person is asked to confirm), and listing notes. Use a tool whenever one fits.';
/** A question, tool calls, and their results: enough for every sensible turn, and a limit for any other. */
const MAX_STEPS = 5;
const WORD_PAUSE_MS = 25;

/**
 * A private assistant with tools, one of which asks before it acts. Questions and answers are in the object's own
 * record; a frame of a client can only answer a question there.
 */
export class Chat extends ticketed(AIChatAgent<Cloudflare.Env>) {
  /** Bounds the transcript, which clients send with each question. */
  override maxPersistedMessages = 100;

  readonly #confirmations = createConfirmations(this.ctx.storage.sql);
  readonly #notes = createNotes(this.ctx.storage.sql);

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    const handle = this.onMessage.bind(this);
    // The SDK's chat assigns its frame handler here, which runs before any method of a subclass.
    this.onMessage = async (connection, message) => {
      const frame = this.#decide(connection, message);
      if (frame !== undefined) await handle(connection, frame);
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
      tools: this.guardTools(chatTools(ports)),
      toolApproval: toolApproval({ ...ports, mayKeep: () => this.mayRunTool('save_note') }),
      stopWhen: isStepCount(MAX_STEPS),
      ...(options?.abortSignal === undefined ? {} : { abortSignal: options.abortSignal }),
    });
    return createUIMessageStreamResponse({ stream: toUIMessageStream({ stream: result.stream }) });
  }

  /** The frame for the SDK's chat; `undefined`: none. */
  #decide(connection: Connection, message: Parameters<AIChatAgent['onMessage']>[1]) {
    const { messages } = this;
    const decision = readFrame(message, { messages, isApproved: this.#confirmations.isApproved });
    const now = Date.now();
    switch (decision.kind) {
      case 'other':
        return message;
      case 'clear':
        this.#confirmations.lapse(now);
        return message;
      case 'ask':
        for (const call of decision.forged) this.noteDenied('transcript_forged', { call });
        this.#confirmations.lapse(now);
        return decision.frame;
      case 'answer': {
        const { callId, approved, frame } = decision;
        const refusal = this.mayRunTool('save_note')
          ? this.#confirmations.answer(callId, approved, this.principal().principal, now)
          : 'tool_scope_missing';
        if (refusal === undefined) return frame;
        this.noteDenied(refusal, { call: callId });
        return undefined;
      }
      case 'drop':
        for (const call of decision.calls) this.noteDenied(decision.code ?? 'transcript_forged', { call });
        if (decision.requestId !== undefined)
          connection.send(refusalOf(decision.requestId, decision.message ?? ''));
        return undefined;
    }
  }
}

/** Ends a request in the chat protocol, so that its client does not wait. */
const refusalOf = (id: string, body: string): string =>
  JSON.stringify({ type: 'cf_agent_use_chat_response', id, body, error: true, done: true });
