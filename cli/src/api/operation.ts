import { OPENAPI } from '@agent-ticket/broker/src/openapi/generated.ts';
import type { paths } from '@agent-ticket/broker/src/openapi/generated-types.ts';
import * as z from 'zod';
import { UsageError } from '../command.ts';

/** The routes of the broker from its OpenAPI document, for commands and their help. */

const METHODS = ['get', 'post', 'delete'] as const;
export type Methods = (typeof METHODS)[number];
/** `GET /admin/keys`: a method and a path of the document. */
export type Call = {
  [Path in keyof paths]: {
    [Method in Methods]: undefined extends paths[Path][Method] ? never : `${Uppercase<Method>} ${Path}`;
  }[Methods];
}[keyof paths];

type Schema = z.core.JSONSchema.BaseSchema;
const Schema = z.custom<Schema>((value) => typeof value === 'object' && value !== null);
const Parameter = z.object({
  name: z.string(),
  in: z.enum(['path', 'query']),
  description: z.string(),
  required: z.boolean().default(false),
  schema: Schema,
});
const Content = z.object({
  schema: z.object({
    properties: z.record(z.string(), Schema),
    required: z.array(z.string()).default([]),
  }),
});
const Operation = z.object({
  summary: z.string(),
  description: z.string().optional(),
  parameters: z.array(Parameter).default([]),
  requestBody: z.object({ content: z.record(z.string(), Content) }).optional(),
});
const Document = z.object({ paths: z.record(z.string(), z.record(z.string(), Operation)) });

/** A member of the path, the query or the body of a request. */
export interface Member {
  readonly name: string;
  readonly in: 'path' | 'query' | 'body';
  readonly about: string;
  readonly isRequired: boolean;
  readonly schema: Schema;
}

export interface Operation {
  readonly method: Methods;
  /** Each parameter as `{name}`. */
  readonly path: string;
  readonly summary: string;
  readonly description: string | undefined;
  readonly members: readonly Member[];
}

const { paths: described } = Document.parse(JSON.parse(OPENAPI));

export function operationOf(call: Call): Operation {
  const operation = findOperation(call);
  if (operation === undefined) throw new TypeError(`the document has no ${call}`);
  return operation;
}

/** The operation of a method and a path with its parameters as `{name}`. */
export function findOperation(call: string): Operation | undefined {
  const [word, path = ''] = call.split(' ');
  const method = METHODS.find((each) => each === word?.toLowerCase());
  const operation = method && described[path]?.[method];
  if (method === undefined || operation === undefined) return undefined;
  const { summary, description, parameters, requestBody } = operation;
  const body = requestBody?.content['application/json']?.schema;
  return {
    ...{ method, path, summary, description },
    members: [
      ...parameters.map(({ description: about, required: isRequired, ...rest }) => ({
        ...{ ...rest, about, isRequired },
      })),
      ...Object.entries(body?.properties ?? {}).map(([name, schema]) => ({
        ...{ name, in: 'body' as const, about: schema.description ?? '', schema },
        isRequired: body?.required.includes(name) === true,
      })),
    ],
  };
}

/** Throws a `TypeError` for a name that the operation does not have. */
export function memberOf(call: Call, name: string): Member {
  const member = operationOf(call).members.find((each) => each.name === name);
  if (member === undefined) throw new TypeError(`${call} has no ${name}`);
  return member;
}

/** Values by the names of members. */
export type Members = Readonly<Record<string, unknown>>;

/** A request as `openapi-fetch` takes it. */
interface RequestParts {
  readonly params: { readonly path: Members; readonly query: Members };
  readonly body?: Members;
}

/** The request with these members, each where the operation has it. */
export function requestOf({ members: known }: Operation, members: Members): RequestParts {
  const within = (place: Member['in']): Members =>
    Object.fromEntries(
      known.flatMap((each) =>
        each.in === place && members[each.name] !== undefined ? [[each.name, members[each.name]]] : [],
      ),
    );
  const path = within('path');
  // A URL parser resolves these two, so the request would go to another route.
  if (Object.values(path).some((value) => value === '.' || value === '..'))
    throw new UsageError('"." and ".." are not names. Copy the name from the list.');
  const hasBody = known.some((each) => each.in === 'body');
  return { params: { path, query: within('query') }, ...(hasBody && { body: within('body') }) };
}
