import { type Denial, httpErrorOf } from '@agent-ticket/shared/denial.ts';
import type { Answer, ErrorRenderer } from './context.ts';
import type { RateState } from './rate.ts';

/** Challenges for every way in which a credential may be sent (RFC 9110 §11.6.1). */
const CHALLENGE = 'Bearer realm="broker", Basic realm="broker", charset="UTF-8"';

export const rateHeaders = (rate: RateState | null | undefined): Record<string, string> =>
  rate === null || rate === undefined
    ? {}
    : {
        'x-ratelimit-limit': String(rate.limit),
        'x-ratelimit-remaining': String(rate.remaining),
        'x-ratelimit-reset': String(rate.resetAt),
      };

/** An answer as a response. Not to be stored unless the handler says otherwise. */
export function respond(answer: Answer, requestId: string, rate?: RateState | null): Response {
  const headers = new Headers({ 'cache-control': 'no-store', ...rateHeaders(rate), ...answer.headers });
  headers.set('x-request-id', requestId);
  for (const cookie of answer.cookies ?? []) headers.append('set-cookie', cookie);
  return answer.body === undefined
    ? new Response(answer.stream ?? null, { status: answer.status, headers })
    : Response.json(answer.body, { status: answer.status, headers });
}

/** The member `error` of a refusal. */
export function errorOf(denial: Denial, requestId: string) {
  const { code, message } = httpErrorOf(denial);
  return { code, message, request_id: requestId };
}

/** A refusal as a response: `{"error": {"code", "message", "request_id"}}`. */
export const renderError: ErrorRenderer = (denial, requestId, rate) =>
  renderErrorWith({}, denial, requestId, rate);

/** A refusal, and the members to send beside its `error`. */
export function renderErrorWith(
  beside: object,
  denial: Denial,
  requestId: string,
  rate?: RateState | null,
): Response {
  const { status } = httpErrorOf(denial);
  const headers = new Headers({
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...rateHeaders(rate),
    'x-request-id': requestId,
  });
  if (status === 401) headers.set('www-authenticate', CHALLENGE);
  if (status === 503 || denial.retryAfter !== undefined)
    headers.set('retry-after', String(denial.retryAfter ?? 1));
  if (denial.allow !== undefined) headers.set('allow', denial.allow.join(', '));
  return Response.json({ error: errorOf(denial, requestId), ...beside }, { status, headers });
}
