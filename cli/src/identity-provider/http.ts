import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import type * as z from 'zod';

const ADDRESS = '127.0.0.1';

export interface LoopbackServer {
  /** `http://127.0.0.1:<port>`, without a trailing slash. */
  url: string;
  /** Closes all connections, busy and idle, and resolves when the port is free again. */
  close(): Promise<void>;
}

export async function listenOnLoopback(port: number, listener: RequestListener): Promise<LoopbackServer> {
  const server = createServer(listener);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const why = cause.code === 'EADDRINUSE' ? 'the port is in use' : cause.message;
      reject(new Error(`identity provider cannot listen on ${ADDRESS}:${port}: ${why}`, { cause }));
    });
    server.listen(port, ADDRESS, resolve);
  });
  const address = server.address();
  const bound = typeof address === 'object' && address ? address.port : port;
  return {
    url: `http://${ADDRESS}:${bound}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve()); // an error when it is already closed, which is allowed
        server.closeAllConnections();
      }),
  };
}

export function answerJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(JSON.stringify(body));
}

/** Ends a request with a status below 500 and the reason; any other exception is a bug and answers 500. */
export class Refusal extends Error {
  readonly status: number;
  /** The wrong part of the request body, if there is one. */
  readonly field: string | undefined;

  constructor(status: number, message: string, field?: string) {
    super(message);
    this.status = status;
    this.field = field;
  }
}

const MAX_BODY_BYTES = 65_536;

export async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    const bytes = Buffer.from(chunk);
    size += bytes.length;
    // Reads to the end: an early return would close the connection before the answer is sent.
    if (size <= MAX_BODY_BYTES) chunks.push(bytes);
  }
  if (size > MAX_BODY_BYTES) throw new Refusal(413, `the body is larger than ${MAX_BODY_BYTES} bytes`);
  return Buffer.concat(chunks).toString('utf8');
}

/** The body as `schema` requires it; an empty body counts as `{}`. Refuses with 400 and the first wrong field. */
export async function readJson<T>(request: IncomingMessage, schema: z.ZodType<T>): Promise<T> {
  const result = schema.safeParse(parseJson((await readText(request)) || '{}'));
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const unknownField = issue?.code === 'unrecognized_keys' ? issue.keys[0] : undefined;
  const field = unknownField ?? (issue?.path.join('.') || 'body');
  throw new Refusal(400, `${field}: ${unknownField ? 'not a known field' : issue?.message}`, field);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Refusal(400, 'body: not JSON', 'body');
  }
}
