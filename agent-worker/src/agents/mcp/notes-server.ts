import { roleAtLeast } from '@agent-ticket/shared/names.ts';
import { formatScope } from '@agent-ticket/shared/scope.ts';
import { type CallToolResult, McpServer } from '@modelcontextprotocol/server';
import * as z from 'zod';
import type { SessionPrincipal } from '../../ticketed/claims.ts';

export interface Note {
  readonly text: string;
  /** The principal who wrote it. */
  readonly by: string;
  /** ISO 8601, UTC. */
  readonly at: string;
}

/** What tools may do with the instance that they run in. */
export interface Notebook {
  list(): readonly Note[];
  add(text: string, by: string): Note;
  /** The next note that anybody adds; rejects when `signal` says so. */
  next(signal: AbortSignal): Promise<Note>;
}

export const NOTES_URI = 'notes://all';
const MAX_TEXT = 2_000;
/** A call that waits holds a request open; its client asks again. */
const WAIT_SECONDS = { max: 25, default: 10 } as const;
const TELL_EVERY_MS = 1_000;

const text = (value: unknown): CallToolResult => ({
  content: [{ type: 'text', text: typeof value === 'string' ? value : JSON.stringify(value) }],
});
const refusal = (why: string): CallToolResult => ({ ...text(why), isError: true });

/**
 * The MCP server of one caller: tools over the notes of one instance, with the rights of the caller's ticket.
 *
 * @param subscribe whether changes of the notes can be told to who subscribes, which takes the present protocol.
 */
export function createNotesServer(who: SessionPrincipal, notebook: Notebook, subscribe: boolean): McpServer {
  const server = new McpServer(
    { name: 'mcp-agent', version: '1.0.0' },
    { capabilities: { resources: { subscribe } } },
  );

  server.registerTool('whoami', { description: 'Who you are to this agent, and what you may do.' }, () => {
    const { principal, role, tier, scope } = who;
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
      roleAtLeast(who.role, 'admin')
        ? text(notebook.add(words, who.principal))
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
      let told = 0;
      const tell = async (): Promise<void> => {
        if (progressToken === undefined) return;
        const params = { progressToken, progress: told, total: seconds };
        told += 1;
        await mcpReq.notify({ method: 'notifications/progress', params });
      };
      await tell();
      // A caller that left is found out by the signal.
      const telling = setInterval(() => tell().catch(() => clearInterval(telling)), TELL_EVERY_MS);
      const timeout = AbortSignal.timeout(seconds * 1000);
      try {
        return text(await notebook.next(AbortSignal.any([mcpReq.signal, timeout])));
      } catch (error) {
        if (!timeout.aborted) throw error;
        return refusal('no note was added');
      } finally {
        clearInterval(telling);
      }
    },
  );

  server.registerResource('notes', NOTES_URI, { mimeType: 'application/json' }, () => ({
    contents: [{ uri: NOTES_URI, mimeType: 'application/json', text: JSON.stringify(notebook.list()) }],
  }));

  return server;
}
