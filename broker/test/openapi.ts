import * as z from 'zod';
import { createApp } from '../src/app.ts';
import { OPENAPI } from '../src/openapi/generated.ts';
import type { BrokerPorts } from '../src/runtime/ports.ts';

/** Every answer that a test gets is one that the OpenAPI document describes. */

const Ref = z.object({ $ref: z.string() });
const Media = z.object({ schema: z.record(z.string(), z.unknown()) });
const Answer = z.object({ content: z.record(z.string(), Media).optional() });
const Operation = z.object({ responses: z.record(z.string(), z.union([Ref, Answer])) });
const Document = z.object({
  paths: z.record(z.string(), z.record(z.string(), Operation)),
  components: z.object({
    responses: z.record(z.string(), Answer),
    schemas: z.record(z.string(), z.record(z.string(), z.unknown())),
  }),
});
const document = Document.parse(JSON.parse(OPENAPI));

const nameIn = (ref: string): string => ref.slice(ref.lastIndexOf('/') + 1);

/** The paths, those without parameters first: `…/terminate` is no session. */
const PATHS = Object.keys(document.paths)
  .map((path) => ({
    path,
    pattern: new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/]+').replaceAll('.', '\\.')}$`),
  }))
  .sort((one, other) => Number(one.path.includes('{')) - Number(other.path.includes('{')));

const validators = new Map<object, z.ZodType>();

function validatorOf(schema: Readonly<Record<string, unknown>>): z.ZodType {
  const known = validators.get(schema);
  if (known !== undefined) return known;
  const text = JSON.stringify({ ...schema, $defs: document.components.schemas });
  const made = z.fromJSONSchema(JSON.parse(text.replaceAll('#/components/schemas/', '#/$defs/')));
  validators.set(schema, made);
  return made;
}

/** Throws where an answer is not one of the document. `path` as the broker has it: none of a route is not described. */
export function checkAnswer(
  { method, path }: { readonly method: string; readonly path: string },
  answer: { readonly status: number; readonly contentType: string | null; readonly text: string },
): void {
  const found = PATHS.find(({ pattern }) => pattern.test(path));
  const operation = found && document.paths[found.path]?.[method.toLowerCase()];
  // Methods that a path does not have are refused alike everywhere.
  if (found === undefined || operation === undefined) return;
  const what = `${method} ${found.path} answered ${answer.status}`;
  const named = operation.responses[String(answer.status)];
  const described =
    named !== undefined && '$ref' in named ? document.components.responses[nameIn(named.$ref)] : named;
  if (described === undefined) throw new Error(`${what}, which OpenAPI does not have: ${answer.text}`);
  if (described.content === undefined) {
    if (answer.text !== '') throw new Error(`${what} with a body, and OpenAPI has none`);
    return;
  }
  const type = answer.contentType?.split(';')[0] ?? '';
  // A refused sign-in is a page for people.
  if (type === 'text/html' && path.startsWith('/auth/')) return;
  const media = described.content[type];
  if (media === undefined) throw new Error(`${what} as ${type}, which OpenAPI does not have`);
  if (type !== 'application/json') return;
  const valid = validatorOf(media.schema).safeParse(JSON.parse(answer.text));
  if (!valid.success)
    throw new Error(`${what}: ${z.prettifyError(valid.error)}\n${answer.text.slice(0, 500)}`);
}

/** A broker whose every answer is checked, also those to `app.request`. */
export function checkedApp(ports: BrokerPorts): ReturnType<typeof createApp> {
  const app = createApp(ports);
  const { fetch } = app;
  app.fetch = async (request, ...more) => {
    const answer = await fetch(request, ...more);
    const type = answer.headers.get('content-type');
    // The export of the log is read as it comes.
    if (request.method === 'HEAD' || type?.startsWith('application/x-ndjson')) return answer;
    const said = { status: answer.status, contentType: type, text: await answer.clone().text() };
    checkAnswer({ method: request.method, path: new URL(request.url).pathname }, said);
    return answer;
  };
  return app;
}
