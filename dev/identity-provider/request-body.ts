import type { IncomingMessage } from 'node:http';
import type * as z from 'zod';
import { Refusal } from './refusal.ts';

const MAX_BODY_BYTES = 65_536;

export async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    const bytes = Buffer.from(chunk);
    size += bytes.length;
    // Read on to the end: leaving early would cut the connection before the refusal is out.
    if (size <= MAX_BODY_BYTES) chunks.push(bytes);
  }
  if (size > MAX_BODY_BYTES) throw new Refusal(413, `the body is larger than ${MAX_BODY_BYTES} bytes`);
  return Buffer.concat(chunks).toString('utf8');
}

/** The body as `schema` wants it; no body at all counts as `{}`. Refuses with 400 and the first wrong field. */
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
