import { ErrorBody, type Operation, openApiDocument } from '@agent-ticket/shared/openapi.ts';
import type { Route } from '../runtime/call.ts';
import { ANSWERS } from './answers.ts';
import { MEMBERS } from './members.ts';
import { type BrokerAnswers, OAuthErrorBody, ReadinessErrorBody, SecurityEventErrorBody } from './shapes.ts';

/** Statuses of refusals that follow from a row: every call of its kind may get them. */
function errorsOf(route: Route, { errors = [], form }: BrokerAnswers): number[] {
  const hasBody = route.body !== undefined || form !== undefined;
  return [
    ...errors,
    400,
    ...(route.auth === 'none' ? [] : [401]),
    // 403 is for a request without TLS, and, where requests are counted, for a page of another origin.
    ...(route.allowsPlaintext === true ? [] : [403]),
    ...(route.path.includes(':') ? [404] : []),
    ...(hasBody ? [413] : []),
    ...(route.body === undefined ? [] : [415]),
    ...(route.limit.counts === 'nothing' ? [] : [429]),
    ...[500, 503],
  ];
}

function errorBodyOf(status: number, { errorBody }: BrokerAnswers) {
  // Readiness has details only if its queries succeeded. A route that is not configured answers as one that does not
  // exist.
  if (errorBody === 'readiness') return status === 503 ? ReadinessErrorBody : ErrorBody;
  if (errorBody === 'security-event') return status === 400 ? SecurityEventErrorBody : ErrorBody;
  return errorBody === 'oauth' && status !== 404 ? OAuthErrorBody : ErrorBody;
}

const SECURITY = [{ bearer: [] }, { basic: [] }, { access: [] }, { cookie: [] }];

const securityOf = ({ auth }: Route): Operation['security'] => {
  if (auth === 'none') return [];
  return auth === 'optional' ? [{}, ...SECURITY] : SECURITY;
};

function operationOf(route: Route): Operation {
  const { method, path, params, query, permission, body } = route;
  const documented = ANSWERS[`${method} ${path}`];
  if (documented === undefined) throw new TypeError(`no answers of ${method} ${path}`);
  const sentences = [
    documented.description,
    permission === undefined ? undefined : `Needs the permission \`${permission}\`.`,
  ].filter((each) => each !== undefined);
  return {
    ...documented,
    ...(sentences.length > 0 && { description: sentences.join(' ') }),
    ...{ method, path, params, body, security: securityOf(route) },
    query: 'ignored' in query ? undefined : query,
    errors: Object.fromEntries(
      errorsOf(route, documented).map((status) => [status, errorBodyOf(status, documented)]),
    ),
  };
}

/** The broker's OpenAPI document: its rows with their answers. */
export const brokerDocument = (routes: readonly Route[]) =>
  openApiDocument({
    title: 'Agent ticket broker',
    description:
      'Exchanges identities for single-use WebSocket tickets to agents, and shows operators tickets, sessions and refusals.',
    operations: routes.map(operationOf),
    members: MEMBERS,
    securitySchemes: {
      bearer: { type: 'http', scheme: 'bearer' },
      basic: { type: 'http', scheme: 'basic' },
      access: { type: 'apiKey', in: 'header', name: 'Cf-Access-Jwt-Assertion' },
      cookie: { type: 'apiKey', in: 'cookie', name: 'appSession' },
    },
  });
