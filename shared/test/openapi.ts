import * as z from 'zod';

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

const nameIn = (ref: string): string => ref.slice(ref.lastIndexOf('/') + 1);

interface Asked {
  readonly method: string;
  readonly path: string;
}
interface Answered {
  readonly status: number;
  readonly contentType: string | null;
  readonly text: string;
}

/** A check that throws where an answer is not one that an OpenAPI document has. Lets answers of other paths pass. */
export function answerChecker(text: string): (asked: Asked, answered: Answered) => void {
  const document = Document.parse(JSON.parse(text));
  /** The paths, those without parameters first: `…/terminate` is no session. */
  const paths = Object.keys(document.paths)
    .map((path) => ({
      path,
      pattern: new RegExp(
        `^${path
          .replaceAll('.', '\\.')
          .replaceAll('{rest}', '.+')
          .replaceAll(/\{\w+\}/g, '[^/]+')}$`,
      ),
    }))
    .sort((one, other) => Number(one.path.includes('{')) - Number(other.path.includes('{')));
  const validators = new Map<object, z.ZodType>();

  function validatorOf(schema: Readonly<Record<string, unknown>>): z.ZodType {
    const known = validators.get(schema);
    if (known !== undefined) return known;
    const whole = JSON.stringify({ ...schema, $defs: document.components.schemas });
    const made = z.fromJSONSchema(JSON.parse(whole.replaceAll('#/components/schemas/', '#/$defs/')));
    validators.set(schema, made);
    return made;
  }

  return ({ method, path }, answered) => {
    const found = paths.find(({ pattern }) => pattern.test(path));
    const operation = found && document.paths[found.path]?.[method.toLowerCase()];
    // Methods that a path does not have are refused alike everywhere.
    if (found === undefined || operation === undefined) return;
    const what = `${method} ${found.path} answered ${answered.status}`;
    const named = operation.responses[String(answered.status)] ?? operation.responses.default;
    const described =
      named !== undefined && '$ref' in named ? document.components.responses[nameIn(named.$ref)] : named;
    if (described === undefined) throw new Error(`${what}, which OpenAPI does not have: ${answered.text}`);
    if (described.content === undefined) {
      if (answered.text !== '') throw new Error(`${what} with a body, and OpenAPI has none`);
      return;
    }
    const type = answered.contentType?.split(';')[0] ?? '';
    // A refused sign-in is a page for people.
    if (type === 'text/html' && path.startsWith('/auth/')) return;
    const media = described.content[type];
    // What an agent answers itself may be anything.
    if (media === undefined && '*/*' in described.content) return;
    if (media === undefined) throw new Error(`${what} as ${type}, which OpenAPI does not have`);
    if (type !== 'application/json') return;
    const valid = validatorOf(media.schema).safeParse(JSON.parse(answered.text));
    if (!valid.success)
      throw new Error(`${what}: ${z.prettifyError(valid.error)}\n${answered.text.slice(0, 500)}`);
  };
}
