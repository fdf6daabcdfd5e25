import { AIChatAgent } from '@cloudflare/ai-chat';
import { Agent, callable, getAgentByName, routeAgentEmail, routeAgentRequest } from 'agents';
import { createAddressBasedEmailResolver } from 'agents/email';
import {
  convertToModelMessages,
  createUIMessageStreamResponse,
  isStepCount,
  streamText,
  tool,
  toUIMessageStream,
} from 'ai';
import { z } from 'zod';
import { mailOf } from './mail';
import { model } from './model';

/** What the page shows beside the conversation. */
export interface Board {
  done: string[];
}

/** Works for an assistant, inside of it. */
export class Helper extends Agent<Env, { jobs: number }> {
  initialState = { jobs: 0 };

  work(): number {
    this.setState({ jobs: this.state.jobs + 1 });
    return this.state.jobs;
  }
}

export class Assistant extends AIChatAgent<Env, Board> {
  initialState: Board = { done: [] };

  async onChatMessage(_onFinish: unknown, options?: { abortSignal?: AbortSignal }) {
    const result = streamText({
      model,
      messages: await convertToModelMessages(this.messages),
      abortSignal: options?.abortSignal,
      stopWhen: isStepCount(3),
      tools: {
        roll: tool({ inputSchema: z.object({ sides: z.number() }), execute: ({ sides }) => sides }),
        book: tool({
          inputSchema: z.object({ room: z.string() }),
          needsApproval: true,
          execute: ({ room }) => `booked ${room}`,
        }),
        remind: tool({
          inputSchema: z.object({ seconds: z.number(), about: z.string() }),
          execute: async ({ seconds, about }) => {
            await this.schedule(seconds, 'note', `reminder: ${about}`);
            return 'scheduled';
          },
        }),
      },
    });
    return createUIMessageStreamResponse({ stream: toUIMessageStream({ stream: result.stream }) });
  }

  /** Runs on a schedule, from the queue and for mails: nobody is connected on whose behalf it would run. */
  async note(what: string) {
    this.setState({ done: [...this.state.done, what] });
  }

  @callable()
  async later(seconds: number, what: string) {
    await this.schedule(seconds, 'note', `scheduled: ${what}`);
  }

  @callable()
  async inTurn(what: string) {
    await this.queue('note', `queued: ${what}`);
  }

  @callable()
  async delegate() {
    const helper = await this.subAgent(Helper, 'first');
    return helper.work();
  }

  /** Adds tools of an MCP server, which may ask the person to sign in. */
  @callable()
  async addTools(url: string) {
    return this.addMcpServer('tools', url);
  }

  async onEmail(email: { from: string }) {
    await this.note(`mail from ${email.from}`);
  }

  async onRequest(request: Request): Promise<Response> {
    if (request.method === 'POST' && new URL(request.url).pathname.endsWith('/upload'))
      return Response.json({ bytes: (await request.arrayBuffer()).byteLength });
    return super.onRequest(request);
  }

  summary() {
    return { messages: this.messages.length, done: this.state.done };
  }
}

const receive = (message: ForwardableEmailMessage, env: Env) =>
  routeAgentEmail(message, env, { resolver: createAddressBasedEmailResolver('Assistant') });

export default {
  async fetch(request, env) {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === '/summary') {
      const assistant = await getAgentByName<Env, Assistant>(
        env.Assistant,
        searchParams.get('of') ?? 'default',
      );
      return Response.json(await assistant.summary());
    }
    if (pathname === '/contact') {
      // A form of the site, which reaches the assistant as a mail does.
      const from = searchParams.get('from') ?? '';
      await receive(mailOf(from, 'assistant+desk@example.com', await request.text()), env);
      return new Response(null, { status: 204 });
    }
    return (await routeAgentRequest(request, env)) ?? env.ASSETS.fetch(request);
  },

  email: (message, env) => receive(message, env),
} satisfies ExportedHandler<Env>;
