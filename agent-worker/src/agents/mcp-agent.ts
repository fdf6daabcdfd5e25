import { roleAtLeast } from '@agent-ticket/shared/names.ts';
import { formatScope } from '@agent-ticket/shared/scope.ts';
import { type CallToolResult, McpServer } from '@modelcontextprotocol/server';
import { Agent } from 'agents';
import { createMcpHandler } from 'agents/mcp/server';
import * as z from 'zod';
import { singleAnswer } from '../single-answer.ts';
import type { SessionPrincipal } from '../ticketed/claims.ts';
import { ticketed } from '../ticketed.ts';
import { createEventStreams, KEEP_ALIVE_MS, STREAM_PARAMETER } from './mcp-transports.ts';

interface Note {
  readonly text: string;
  /** The principal who wrote it. */
  readonly by: string;
  /** ISO 8601, UTC. */
  readonly at: string;
}

type McpHandler = ReturnType<typeof createMcpHandler>;

/** The operations of the tools on their instance. */
interface Notebook {
  list(): readonly Note[];
  add(text: string, by: string): Note;
  /** The next note that anybody adds; rejects when `signal` aborts. */
  next(signal: AbortSignal): Promise<Note>;
}

const NOTES_URI = 'notes://all';
const MAX_TEXT = 2_000;
/** A waiting call holds a request open; its client repeats the call. */
const WAIT_SECONDS = { max: 25, default: 10 } as const;
const PROGRESS_EVERY_MS = 1_000;

interface McpState {
  notes: readonly Note[];
}

/** The oldest beyond these are deleted. */
const NOTES_KEPT = 200;

/**
 * Tools for machines. Streamable HTTP at `/mcp`, in the present protocol and that of 2025; the older HTTP+SSE transport
 * at `/sse`. The ticket says who calls, and with which rights.
 */
export class McpAgent extends ticketed(Agent<Cloudflare.Env, McpState>) {
  override initialState: McpState = { notes: [] };
  readonly #waiting = new Set<(note: Note) => void>();
  readonly #streams = createEventStreams(() => crypto.randomUUID());
  #handler: McpHandler | undefined;

  override async onRequest(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    const [, , , , endpoint, ...deeper] = pathname.split('/');
    if (deeper.length > 0 || (endpoint !== 'mcp' && endpoint !== 'sse'))
      return new Response(null, { status: 404 });
    if (endpoint === 'mcp') {
      // One for all requests: its subscribers are notified only through it.
      this.#handler ??= this.#createHandler(pathname);
      return singleAnswer(await this.#handler.fetch(request));
    }
    const { principal } = this.principal();
    if (request.method === 'GET')
      return this.#streams.open(
        this.#server(false),
        principal,
        (id) => `${pathname}?${STREAM_PARAMETER}=${id}`,
      );
    const posted = this.#streams.post(
      searchParams.get(STREAM_PARAMETER) ?? '',
      principal,
      await request.json().catch(() => undefined),
    );
    return new Response(null, { status: posted ? 202 : 404 });
  }

  #createHandler(route: string) {
    return createMcpHandler(({ era }) => this.#server(era === 'modern'), {
      route,
      // The gate has checked the origin already, and sends the CORS headers.
      corsOptions: false,
      keepAliveMs: KEEP_ALIVE_MS,
      allowedOriginHostnames: '*',
    });
  }

  #server(subscribe: boolean) {
    const notebook: Notebook = {
      list: () => this.state.notes,
      add: (text, by) => this.#add({ text, by, at: new Date().toISOString() }),
      next: (signal) =>
        new Promise((resolve, reject) => {
          signal.throwIfAborted();
          const onNote = (note: Note): void => {
            this.#waiting.delete(onNote);
            resolve(note);
          };
          this.#waiting.add(onNote);
          signal.addEventListener('abort', () => {
            this.#waiting.delete(onNote);
            reject(signal.reason);
          });
        }),
    };
    return createNotesServer(this.principal(), notebook, subscribe);
  }

  #add(note: Note): Note {
    this.setState({ notes: [...this.state.notes, note].slice(-NOTES_KEPT) });
    for (const onNote of this.#waiting) onNote(note);
    this.#handler?.notify.resourceUpdated(NOTES_URI);
    return note;
  }
}

const text = (value: unknown): CallToolResult => ({
  content: [{ type: 'text', text: typeof value === 'string' ? value : JSON.stringify(value) }],
});
const refusal = (why: string): CallToolResult => ({ ...text(why), isError: true });

/**
 * The MCP server of one caller: tools over the notes of one instance, with the rights of the caller's ticket.
 *
 * @param subscribe whether clients can subscribe to changes of the notes, which takes the present protocol.
 */
function createNotesServer(caller: SessionPrincipal, notebook: Notebook, subscribe: boolean): McpServer {
  const server = new McpServer(
    { name: 'mcp-agent', version: '1.0.0' },
    { capabilities: { resources: { subscribe } } },
  );

  server.registerTool('whoami', { description: 'Who you are to this agent, and what you may do.' }, () => {
    const { principal, role, tier, scope } = caller;
    return text({ principal, role, tier, scope: formatScope(scope) });
  });

  server.registerTool('list_notes', { description: 'All notes of this instance, oldest first.' }, () =>
    text(notebook.list()),
  );

  server.registerTool(
    'add_note',
    {
      description: 'Adds a note to this instance. Needs the role admin.',
      inputSchema: z.object({ text: z.string().min(1).max(MAX_TEXT) }),
    },
    ({ text: words }) =>
      roleAtLeast(caller.role, 'admin')
        ? text(notebook.add(words, caller.principal))
        : refusal('only the role admin may add notes'),
  );

  server.registerTool(
    'wait_for_note',
    {
      description: 'Waits for the next note, and tells each second that it still does.',
      inputSchema: z.object({ seconds: z.int().min(1).max(WAIT_SECONDS.max).default(WAIT_SECONDS.default) }),
    },
    async ({ seconds }, { mcpReq }) => {
      const progressToken = mcpReq._meta?.progressToken;
      let reported = 0;
      const report = async (): Promise<void> => {
        if (progressToken === undefined) return;
        const params = { progressToken, progress: reported, total: seconds };
        reported += 1;
        await mcpReq.notify({ method: 'notifications/progress', params });
      };
      await report();
      // `signal` aborts when the caller leaves.
      const timer = setInterval(() => report().catch(() => clearInterval(timer)), PROGRESS_EVERY_MS);
      const timeout = AbortSignal.timeout(seconds * 1000);
      try {
        return text(await notebook.next(AbortSignal.any([mcpReq.signal, timeout])));
      } catch (error) {
        if (!timeout.aborted) throw error;
        return refusal('no note was added');
      } finally {
        clearInterval(timer);
      }
    },
  );

  server.registerResource('notes', NOTES_URI, { mimeType: 'application/json' }, () => ({
    contents: [{ uri: NOTES_URI, mimeType: 'application/json', text: JSON.stringify(notebook.list()) }],
  }));

  return server;
}
