import { Receipt } from '@agent-ticket/shared/control.ts';
import { QUERY_PARAMETER } from '@agent-ticket/shared/handshake.ts';
import {
  ErrorBody,
  type Operation,
  openApiDocument,
  type RouteAnswers,
} from '@agent-ticket/shared/openapi.ts';
import * as z from 'zod';
import { TOKEN_PARAMETER } from './callback-token.ts';
import { type GateRouteName, ROUTES } from './routes.ts';

/** The OpenAPI document of an agent worker. Made by `npm run docs`; no part of its bundle. */

interface GateAnswers extends RouteAnswers {
  readonly security: Operation['security'];
}

/** The agent's own answer, which may be any. */
const OWN = { media: '*/*' };
const PREFLIGHT = { summary: 'Answer the preflight of a browser (CORS)', answers: { 204: null } };
const TICKET = [{ ticket: [] }];
const CALLBACK = [{ callback: [] }, { mcpOAuth: [] }];

/** Statuses of the refusals that every request to an instance may get. */
const OF_AGENTS = [401, 403, 405, 413, 429];

const agent = (
  summary: string,
  answers: RouteAnswers['answers'],
  ...more: Operation['security']
): GateAnswers => ({
  summary,
  description: 'The gate or the object refuses a request before the code of the agent runs.',
  answers: { ...answers, default: OWN },
  errors: OF_AGENTS,
  security: [...TICKET, ...more],
});
const WRITE = agent('Send a request to the agent, with the scope agent:message', {}, ...CALLBACK);

const OF_INSTANCE: Readonly<Record<string, GateAnswers>> = {
  GET: agent(
    'Open a socket to the instance, or ask the agent with the scope agent:state:read',
    { 101: null },
    { ticketQuery: [] },
    { ticketSubprotocol: [] },
    ...CALLBACK,
  ),
  POST: WRITE,
  PUT: WRITE,
  PATCH: WRITE,
  DELETE: WRITE,
  OPTIONS: { ...PREFLIGHT, errors: [403, 405], security: [] },
};

const METADATA: Readonly<Record<string, GateAnswers>> = {
  GET: {
    summary: 'Metadata of an agent for machines as a protected resource (RFC 9728)',
    answers: {
      200: z.strictObject({
        resource: z.url(),
        authorization_servers: z.array(z.url()),
        bearer_methods_supported: z.array(z.literal('header')),
      }),
    },
    errors: [403],
    security: [],
  },
  OPTIONS: { ...PREFLIGHT, errors: [403], security: [] },
};

const CONTROL: Readonly<Record<string, GateAnswers>> = {
  POST: {
    summary: 'Take a command of the broker, a JWT that the broker signed',
    description: 'For the broker alone. Commands are idempotent.',
    answers: { 200: Receipt, 202: Receipt },
    // An upgrade is a GET, whatever its method says.
    errors: [401, 405],
    security: [{ command: [] }],
  },
};

const ANSWERS: Readonly<Record<GateRouteName, Readonly<Record<string, GateAnswers>>>> = {
  agent: OF_INSTANCE,
  control: CONTROL,
  metadata: METADATA,
};

/** Statuses of refusals that every route may answer. */
const ALWAYS = [400, 404, 500, 503];

const operationsOf = (name: GateRouteName): Operation[] =>
  ROUTES[name].paths.flatMap((path) =>
    // HEAD is GET without the body of its answer.
    ROUTES[name].methods
      .filter((method) => method !== 'HEAD')
      .map((method) => {
        const answers = ANSWERS[name][method];
        if (answers === undefined) throw new TypeError(`no answers of ${method} ${path}`);
        const statuses = [...(answers.errors ?? []), ...ALWAYS];
        return {
          ...answers,
          ...{ method, path },
          errors: Object.fromEntries(statuses.map((status) => [status, ErrorBody])),
        };
      }),
  );

export const agentWorkerDocument = () =>
  openApiDocument({
    title: 'Agent worker',
    description:
      'Admits sockets and requests to agents by tickets of the broker. Other paths belong to the app that the agent worker is a part of.',
    operations: [...operationsOf('agent'), ...operationsOf('control'), ...operationsOf('metadata')],
    members: {
      agent: 'slug of the agent',
      instance: 'name of the instance',
      rest: 'the path below the instance, of one segment or more, which the agent reads',
      endpoint: 'of MCP: mcp or sse',
    },
    securitySchemes: {
      ticket: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' },
      ticketQuery: { type: 'apiKey', in: 'query', name: QUERY_PARAMETER },
      ticketSubprotocol: { type: 'apiKey', in: 'header', name: 'Sec-WebSocket-Protocol' },
      callback: { type: 'apiKey', in: 'query', name: TOKEN_PARAMETER },
      mcpOAuth: { type: 'apiKey', in: 'query', name: 'state' },
      command: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' },
    },
  });
