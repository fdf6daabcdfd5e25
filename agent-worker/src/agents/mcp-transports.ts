import { isSpecType, type McpServer, type Transport } from '@modelcontextprotocol/server';

/** Identifies the stream that a message is posted to. */
export const STREAM_PARAMETER = 'stream';

/** A client that left without a close is detected by the next write. */
export const KEEP_ALIVE_MS = 5_000;

interface EventStreams {
  /** Opens a stream for a server of its own, and sends the client the `endpoint` to post to. */
  open(server: McpServer, owner: string, endpoint: (streamId: string) => string): Promise<Response>;
  /** Passes a message to the server of a stream with the same owner; `false` when there is none. */
  post(streamId: string, owner: string, message: unknown): boolean;
}

/**
 * The HTTP+SSE transport of MCP 2024-11-05, which the Agents SDK's handler does not serve: one event stream from the
 * server, and a POST for each message to it. Streams live as long as this life of the object.
 */
export function createEventStreams(randomId: () => string): EventStreams {
  const live = new Map<string, { readonly owner: string; readonly transport: Transport }>();
  return {
    async open(server, owner, endpoint) {
      const id = randomId();
      const encoder = new TextEncoder();
      const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
      const writer = writable.getWriter();
      const write = (text: string): Promise<void> => writer.write(encoder.encode(text));
      const event = (name: string, data: string) => write(`event: ${name}\ndata: ${data}\n\n`);
      // The rejection of `writer.closed` below handles failed writes.
      const keepAlive = setInterval(() => void write(':\n\n').catch(() => {}), KEEP_ALIVE_MS);
      const transport: Transport = {
        start: async () => {},
        send: (message) => event('message', JSON.stringify(message)),
        close: async () => {
          clearInterval(keepAlive);
          if (live.delete(id)) await writer.close();
          transport.onclose?.();
        },
      };
      live.set(id, { owner, transport });
      // Rejects when the client left or the stream was cut.
      writer.closed.catch(() => {
        live.delete(id);
        return server.close();
      });
      await server.connect(transport);
      // Not awaited: the client reads it only after the response has started.
      void event('endpoint', endpoint(id)).catch(() => {});
      return new Response(readable, { headers: { 'content-type': 'text/event-stream' } });
    },

    post(streamId, owner, message) {
      const stream = live.get(streamId);
      if (stream === undefined || stream.owner !== owner || !isSpecType.JSONRPCMessage(message)) return false;
      stream.transport.onmessage?.(message);
      return true;
    },
  };
}
