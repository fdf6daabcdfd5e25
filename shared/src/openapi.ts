import * as z from 'zod';
import { ERROR_CODES } from './denial.ts';

/** OpenAPI 3.1 from rows of routes and zod schemas. Runs when a document is made, never in a worker. */

type Json = Readonly<Record<string, unknown>>;

/** An answer that is not JSON. */
export interface Text {
  readonly media: string;
}
/** `null`: without a body. */
export type Body = z.ZodType | Text | null;

/** The body of every refusal. */
export const ErrorBody = z
  .strictObject({
    error: z.strictObject({
      code: z.enum(Object.keys(ERROR_CODES)),
      message: z.string(),
      request_id: z.uuid(),
    }),
  })
  .meta({ id: 'Error' });

/** The part of the description of a route that is not in its row. */
export interface RouteAnswers {
  /** The effect of the route, in one sentence without a full stop. */
  readonly summary: string;
  /** More sentences. */
  readonly description?: string;
  /** By status; `default`: any other one. */
  readonly answers: { readonly [status: number]: Body; readonly default?: Body };
  /** Statuses of refusals beside those that follow from the row. */
  readonly errors?: readonly number[];
  /** Parameters of a form. */
  readonly form?: z.ZodObject;
  /** Descriptions of members of path, query and body that have another meaning than elsewhere. */
  readonly members?: Readonly<Record<string, string>>;
}

export interface Operation extends Omit<RouteAnswers, 'errors'> {
  readonly method: string;
  /** Each parameter as `:name`. */
  readonly path: string;
  /** The forms of its parameters; left out: any text. */
  readonly params?: z.ZodObject | undefined;
  readonly query?: z.ZodObject | undefined;
  /** JSON. */
  readonly body?: z.ZodType | undefined;
  readonly security: readonly Json[];
  /** The shape of each refusal by status. Has an `id`. */
  readonly errors: Readonly<Record<number, z.ZodType>>;
}

export interface DocumentParts {
  readonly title: string;
  readonly description: string;
  readonly operations: readonly Operation[];
  /** Descriptions of members of paths, queries and bodies by name. */
  readonly members: Readonly<Record<string, string>>;
  readonly securitySchemes: Json;
}

/** Throws a `TypeError` for a member without a description. */
export function openApiDocument({ title, description, ...parts }: DocumentParts): Json {
  const schemas: Record<string, Json> = {};
  const responses: Record<string, Json> = {};
  const paths: Record<string, Record<string, Json>> = {};
  for (const operation of parts.operations) {
    const path = operation.path.replaceAll(PARAMETER, '{$1}');
    const described = operationOf(operation, parts.members, { schemas, responses });
    paths[path] = { ...paths[path], [operation.method.toLowerCase()]: described };
  }
  const document = {
    openapi: '3.1.0',
    info: { title, version: '0.0.0', description, license: { name: 'MIT', identifier: 'MIT' } },
    servers: [{ url: '.' }],
    paths,
    components: { schemas, responses, securitySchemes: parts.securitySchemes },
  };
  return JSON.parse(JSON.stringify(document).replaceAll('#/$defs/', '#/components/schemas/'));
}

/** Parts that operations have in common. The first operation that has a part adds it. */
interface Components {
  readonly schemas: Record<string, Json>;
  readonly responses: Record<string, Json>;
}

const PARAMETER = /:(\w+)/g;

function operationOf(operation: Operation, members: DocumentParts['members'], components: Components): Json {
  const { method, path, params, query, body, form, summary, description, security } = operation;
  const about = (name: string): string => {
    const text = operation.members?.[name] ?? members[name];
    if (text === undefined) throw new TypeError(`no description of ${name} at ${method} ${path}`);
    return text;
  };
  const { properties: ofPath } = params === undefined ? {} : schemaOf(params, 'input', components.schemas);
  const inPath = [...path.matchAll(PARAMETER)].map(([, name = '']) => ({
    ...{ name, in: 'path', description: about(name), required: true },
    schema: Object(ofPath)[name] ?? { type: 'string' },
  }));
  const { properties = {}, required = [] } =
    query === undefined ? {} : schemaOf(query, 'input', components.schemas);
  const inQuery = Object.entries(Object(properties)).map(([name, schema]) => ({
    ...{ name, in: 'query', description: about(name), schema },
    ...(Array.isArray(required) && required.includes(name) && { required: true }),
  }));
  const sent = body ?? form;
  const media = body === undefined ? 'application/x-www-form-urlencoded' : 'application/json';
  return {
    operationId: `${method.toLowerCase()}${path.replaceAll(/[^A-Za-z0-9]+(.)?/g, (_, next: string = '') => next.toUpperCase())}`,
    summary,
    ...(description === undefined ? {} : { description }),
    security,
    ...(inPath.length + inQuery.length === 0 ? {} : { parameters: [...inPath, ...inQuery] }),
    ...(sent !== undefined && {
      requestBody: {
        required: true,
        content: { [media]: { schema: withMembers(schemaOf(sent, 'input', components.schemas), about) } },
      },
    }),
    responses: responsesOf(operation, components),
  };
}

const withMembers = (schema: Json, about: (name: string) => string): Json => ({
  ...schema,
  properties: Object.fromEntries(
    Object.entries(Object(schema.properties)).map(([name, member]) => [
      name,
      { description: about(name), ...Object(member) },
    ]),
  ),
});

const DESCRIPTIONS: Readonly<Record<number, string>> = {
  ...Object.fromEntries(Object.values(ERROR_CODES).map(({ status, message }) => [status, message])),
  101: 'an open WebSocket',
  200: 'done',
  201: 'made',
  202: 'done; some live sessions have not been notified yet',
  204: 'done, without content',
  302: 'a redirect',
  304: 'not modified',
  401: 'a valid credential is needed',
};
const descriptionOf = (status: string): string =>
  status === 'default' ? 'the answer of the agent’s own code' : (DESCRIPTIONS[Number(status)] ?? status);

function responsesOf({ answers, errors }: Operation, { schemas, responses }: Components): Json {
  const found = Object.entries(answers).map(([status, body]) => {
    const content = body === null ? {} : { content: contentOf(body, schemas) };
    return [status, { description: descriptionOf(status), ...content }] as const;
  });
  // The agent's own code may answer with the statuses of refusals, too.
  const { default: own } = answers;
  const other = own === undefined || own === null ? {} : contentOf(own, schemas);
  const refused = Object.entries(errors).map(([status, schema]) => {
    const name = `${schema.meta()?.id}${status}${own === undefined ? '' : 'OrOwn'}`;
    responses[name] ??= {
      description: descriptionOf(status),
      content: { ...contentOf(schema, schemas), ...other },
    };
    return [status, { $ref: `#/components/responses/${name}` }] as const;
  });
  return Object.fromEntries([...found, ...refused]);
}

const contentOf = (body: z.ZodType | Text, schemas: Components['schemas']): Json =>
  'media' in body
    ? { [body.media]: { schema: { type: 'string' } } }
    : { 'application/json': { schema: schemaOf(body, 'output', schemas) } };

/** JSON Schema of a schema. Those with an `id` are added to the named ones, and referred to. */
function schemaOf(schema: z.ZodType, io: 'input' | 'output', named: Record<string, Json>): Json {
  // The schema is wrapped: one with an `id` becomes a reference everywhere but at the top.
  const { properties, $defs } = z.toJSONSchema(z.object({ schema }), {
    io,
    unrepresentable: 'any',
    override: withoutNoise,
  });
  Object.assign(named, $defs);
  return Object(properties?.schema);
}

/** Formats that need no further words. */
const BY_FORMAT = ['date-time', 'uuid', 'ipv4', 'ipv6', 'email'];

/** Leaves out zod's patterns beside a format, and its bounds of safe integers. */
function withoutNoise({ jsonSchema }: { readonly jsonSchema: z.core.JSONSchema.BaseSchema }): void {
  if (BY_FORMAT.includes(jsonSchema.format ?? '')) delete jsonSchema.pattern;
  if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
  if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
  // The reference has this name already.
  delete jsonSchema.id;
}
