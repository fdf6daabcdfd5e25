import { ERROR_CODES } from '@agent-ticket/shared/denial.ts';
import * as z from 'zod';
import type { Route } from '../runtime/call.ts';
import { ANSWERS } from './answers.ts';
import { ErrorBody, OAuthErrorBody, ReadinessErrorBody, type RouteAnswers } from './shapes.ts';

/** OpenAPI 3.1 from the rows of the routes and their answers. Runs when the document is made, never in a broker. */

type Json = Readonly<Record<string, unknown>>;

/** JSON Schema of a schema. Those with an `id` are added to `named`, and referred to. */
function schemaOf(schema: z.ZodType, io: 'input' | 'output', named: Record<string, Json>): Json {
  // Wrapped, since a schema with an `id` is a reference everywhere but at the top.
  const { properties, $defs } = z.toJSONSchema(z.object({ schema }), {
    io,
    unrepresentable: 'any',
    override: withoutNoise,
  });
  Object.assign(named, $defs);
  return Object(properties?.schema);
}

/** Leaves out zod's patterns beside a format, and its bounds of safe integers. */
function withoutNoise({ jsonSchema }: { readonly jsonSchema: z.core.JSONSchema.BaseSchema }): void {
  if (jsonSchema.format === 'date-time' || jsonSchema.format === 'uuid') delete jsonSchema.pattern;
  if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
  if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
  // The name of its reference already.
  delete jsonSchema.id;
}

const PARAMETER = /:(\w+)/g;

/** Statuses of refusals that follow from a row: every call of its kind may get them. */
function errorsOf(route: Route, { errors = [], form }: RouteAnswers): number[] {
  const hasBody = route.body !== undefined || form !== undefined;
  return [
    ...new Set([
      ...errors,
      400,
      ...(route.auth === 'none' ? [] : [401]),
      // A page of another origin is refused where a request is counted.
      ...(route.auth !== 'none' || route.limit.counts === 'requests' ? [403] : []),
      ...(route.path.includes(':') ? [404] : []),
      ...(hasBody ? [413] : []),
      ...(route.body === undefined ? [] : [415]),
      ...(route.limit.counts === 'nothing' ? [] : [429]),
      ...[500, 503],
    ]),
  ].sort((a, b) => a - b);
}

const DESCRIPTIONS: Readonly<Record<number, string>> = {
  ...Object.fromEntries(Object.values(ERROR_CODES).map(({ status, message }) => [status, message])),
  200: 'done',
  201: 'made',
  202: 'done, and some live sessions are still to be told',
  204: 'nobody',
  302: 'a redirect',
  304: 'not modified',
  401: 'a valid credential is needed',
};

const ERROR_SCHEMAS = { usual: 'Error', oauth: 'OAuthError', readiness: 'NotReady' } as const;

function responsesOf(route: Route, documented: RouteAnswers, named: Record<string, Json>): Json {
  const answers = Object.entries(documented.answers).map(([status, body]) => {
    const content =
      body === null
        ? {}
        : 'media' in body
          ? { content: { [body.media]: { schema: { type: 'string' } } } }
          : { content: { 'application/json': { schema: schemaOf(body, 'output', named) } } };
    return [status, { description: DESCRIPTIONS[Number(status)] ?? status, ...content }] as const;
  });
  const errors = errorsOf(route, documented).map((status) => {
    // Readiness has details only where it could look. A route that is not configured answers as one that does not exist.
    const isUsual = documented.errorBody === 'readiness' ? status !== 503 : status === 404;
    const kind = isUsual ? 'usual' : (documented.errorBody ?? 'usual');
    const response = `${ERROR_SCHEMAS[kind]}${status}`;
    return [String(status), { $ref: `#/components/responses/${response}` }] as const;
  });
  return Object.fromEntries([...answers, ...errors]);
}

const SECURITY = [{ bearer: [] }, { basic: [] }, { access: [] }, { cookie: [] }];

const securityOf = ({ auth }: Route): readonly Json[] => {
  if (auth === 'none') return [];
  return auth === 'optional' ? [{}, ...SECURITY] : SECURITY;
};

function operationOf(route: Route, named: Record<string, Json>): Json {
  const { method, path, query, permission, body } = route;
  const documented = ANSWERS[`${method} ${path}`];
  if (documented === undefined) throw new TypeError(`no answers of ${method} ${path}`);
  const inPath = [...path.matchAll(PARAMETER)].map(([, name]) => ({
    ...{ name, in: 'path', required: true, schema: { type: 'string' } },
  }));
  const inQuery =
    'ignored' in query
      ? []
      : Object.entries(schemaOf(query, 'input', named).properties ?? {}).map(
          ([name, schema]: [string, unknown]) => ({
            ...{ name, in: 'query', schema },
          }),
        );
  const content =
    body !== undefined
      ? { 'application/json': { schema: schemaOf(body, 'input', named) } }
      : documented.form === undefined
        ? undefined
        : { 'application/x-www-form-urlencoded': { schema: schemaOf(documented.form, 'input', named) } };
  return {
    operationId: `${method.toLowerCase()}${path.replaceAll(/[^A-Za-z0-9]+(.)?/g, (_, next: string = '') => next.toUpperCase())}`,
    summary: documented.summary,
    ...(permission === undefined ? {} : { description: `Needs the permission \`${permission}\`.` }),
    security: securityOf(route),
    ...(inPath.length + inQuery.length === 0 ? {} : { parameters: [...inPath, ...inQuery] }),
    ...(content === undefined ? {} : { requestBody: { required: true, content } }),
    responses: responsesOf(route, documented, named),
  };
}

/** The document of some routes. */
export function openApiDocument(routes: readonly Route[]): Json {
  const paths: Record<string, Record<string, Json>> = {};
  const named: Record<string, Json> = {};
  const errors = [ErrorBody, OAuthErrorBody, ReadinessErrorBody];
  for (const schema of errors) schemaOf(schema, 'output', named);
  for (const route of routes) {
    const path = route.path.replaceAll(PARAMETER, '{$1}');
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operationOf(route, named) };
  }
  const statuses = [400, 401, 403, 404, 409, 413, 415, 429, 500, 503];
  const responses = Object.values(ERROR_SCHEMAS).flatMap((schema) =>
    statuses.map((status) => [
      `${schema}${status}`,
      {
        description: DESCRIPTIONS[status] ?? String(status),
        content: { 'application/json': { schema: { $ref: `#/components/schemas/${schema}` } } },
      },
    ]),
  );
  const used = JSON.stringify(paths);
  const document = {
    openapi: '3.1.0',
    info: {
      title: 'Agent ticket broker',
      version: '0.0.0',
      description:
        'Exchanges identities for single-use WebSocket tickets to agents, and shows operators tickets, sessions and refusals.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '.' }],
    paths,
    components: {
      schemas: named,
      responses: Object.fromEntries(responses.filter(([name]) => used.includes(`responses/${name}"`))),
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer' },
        basic: { type: 'http', scheme: 'basic' },
        access: { type: 'apiKey', in: 'header', name: 'Cf-Access-Jwt-Assertion' },
        cookie: { type: 'apiKey', in: 'cookie', name: 'appSession' },
      },
    },
  };
  return JSON.parse(JSON.stringify(document).replaceAll('#/$defs/', '#/components/schemas/'));
}
