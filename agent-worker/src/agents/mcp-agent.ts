import { Agent } from 'agents';
import { createMcpHandler } from 'agents/mcp/server';
import { ticketed } from '../ticketed.ts';
import { createEventStreams, KEEP_ALIVE_MS, STREAM_PARAMETER } from './mcp/event-streams.ts';
import { createNotesServer, NOTES_URI, type Note, type Notebook } from './mcp/notes-server.ts';
import { singleAnswer } from './mcp/single-answer.ts';

interface McpState {
  notes: readonly Note[];
}

/** So many stay; the oldest go. */
const NOTES_KEPT = 200;

/**
 * Tools for machines. Streamable HTTP at `/mcp`, in the present protocol and that of 2025; the older HTTP+SSE transport
 * at `/sse`. Who is calling, and with what rights, is what the ticket says.
 */
export class McpAgent extends ticketed(Agent<Cloudflare.Env, McpState>) {
  override initialState: McpState = { notes: [] };
  readonly #waiting = new Set<(note: Note) => void>();
  readonly #streams = createEventStreams(() => crypto.randomUUID());
  #handler: ReturnType<typeof createMcpHandler> | undefined;

  override async onRequest(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    const [, , , , door, ...deeper] = pathname.split('/');
    if (deeper.length > 0 || (door !== 'mcp' && door !== 'sse')) return new Response(null, { status: 404 });
    if (door === 'mcp') {
      // One for all requests: its subscriptions hear of changes only through it.
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
      // The gate has judged the origin already, and answers for it.
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
          const heard = (note: Note): void => {
            this.#waiting.delete(heard);
            resolve(note);
          };
          this.#waiting.add(heard);
          signal.addEventListener('abort', () => {
            this.#waiting.delete(heard);
            reject(signal.reason);
          });
        }),
    };
    return createNotesServer(this.principal(), notebook, subscribe);
  }

  #add(note: Note): Note {
    this.setState({ notes: [...this.state.notes, note].slice(-NOTES_KEPT) });
    for (const heard of this.#waiting) heard(note);
    this.#handler?.notify.resourceUpdated(NOTES_URI);
    return note;
  }
}
