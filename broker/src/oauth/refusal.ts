import { DENIALS, type Denial, type DenialReason, type ErrorCode } from '@agent-ticket/shared/denial.ts';
import type { Outcome } from '@agent-ticket/shared/outcome.ts';
import { rateHeaders } from '../http/answer.ts';
import type { ErrorRenderer } from '../http/context.ts';
import type { HandlerResult } from '../runtime/call.ts';

/**
 * Errors of a token endpoint (RFC 6749 §5.2, RFC 8707 §2, RFC 8628 §3.5), and two of RFC 6749 §4.1.2.1 beside a status of
 * 500 or more, which stock clients go by alone.
 */
const OAUTH_ERRORS = {
  invalid_request: { status: 400, text: 'the request is not valid' },
  invalid_client: { status: 401, text: 'client authentication failed' },
  unauthorized_client: { status: 400, text: 'the client may not do this' },
  invalid_scope: { status: 400, text: 'the scope is unknown or more than is granted' },
  invalid_target: { status: 400, text: 'no ticket for this resource' },
  unsupported_grant_type: { status: 400, text: 'the grant type is not supported' },
  slow_down: { status: 429, text: 'too many requests' },
  temporarily_unavailable: { status: 503, text: 'try again shortly' },
  server_error: { status: 500, text: 'internal error' },
} as const;
type OAuthError = keyof typeof OAUTH_ERRORS;

/** The part of the request that was refused: the same denial of another part is another OAuth error. */
export type Stage =
  /** The request as such, or the decision about its subject. */
  | 'request'
  /** The client, its secret and its rights. */
  | 'client'
  /** The caller of an endpoint that issues nothing. */
  | 'caller'
  /** A subject or actor token: every fault of it is `invalid_request` (RFC 8693 §2.2.2). */
  | 'token';

const BY_REASON: Partial<Record<DenialReason, OAuthError>> = {
  grant_type_unsupported: 'unsupported_grant_type',
  target_invalid: 'invalid_target',
  instance_invalid: 'invalid_target',
  scope_unknown: 'invalid_scope',
  scope_outside_role: 'invalid_scope',
};

const ofCredential = (stage: Stage): OAuthError =>
  stage === 'client' || stage === 'caller' ? 'invalid_client' : 'invalid_request';

const BY_CODE: Readonly<Record<ErrorCode, (stage: Stage) => OAuthError>> = {
  BAD_REQUEST: () => 'invalid_request',
  PAYLOAD_TOO_LARGE: () => 'invalid_request',
  UNSUPPORTED_MEDIA_TYPE: () => 'invalid_request',
  METHOD_NOT_ALLOWED: () => 'invalid_request',
  CONFLICT: () => 'invalid_request',
  UNAUTHORIZED: ofCredential,
  TOKEN_EXPIRED: ofCredential,
  FORBIDDEN: (stage) =>
    stage === 'token' ? 'invalid_request' : stage === 'caller' ? 'unauthorized_client' : 'invalid_target',
  NOT_FOUND: () => 'invalid_target',
  RATE_LIMITED: () => 'slow_down',
  INTERNAL: () => 'server_error',
  UNAVAILABLE: () => 'temporarily_unavailable',
};

const oauthErrorOf = ({ reason }: Denial, stage: Stage): OAuthError =>
  BY_REASON[reason] ?? BY_CODE[DENIALS[reason].code](stage);

const STATUS_BY_CODE: Partial<Record<ErrorCode, number>> = {
  METHOD_NOT_ALLOWED: 405,
  PAYLOAD_TOO_LARGE: 413,
};

/**
 * Refusals in the shape of OAuth: `{"error", "error_description"}`. Descriptions are constant texts and names of
 * parameters, in the alphabet of RFC 6749 §5.2; nothing of the request is in them.
 */
export const oauthRefusal =
  (stage: Stage): ErrorRenderer =>
  (denial, requestId, rate) => {
    const error = oauthErrorOf(denial, stage);
    const { status, text } = OAUTH_ERRORS[error];
    const about = [text, denial.field, denial.hint].filter((part) => part !== undefined).join(': ');
    const headers = new Headers({
      'cache-control': 'no-store',
      pragma: 'no-cache',
      'x-request-id': requestId,
      ...rateHeaders(rate),
    });
    if (error === 'invalid_client') headers.set('www-authenticate', 'Basic realm="broker", charset="UTF-8"');
    if (error === 'temporarily_unavailable' || denial.retryAfter !== undefined)
      headers.set('retry-after', String(denial.retryAfter ?? 1));
    if (denial.allow !== undefined) headers.set('allow', denial.allow.join(', '));
    return Response.json(
      { error, error_description: about },
      { status: STATUS_BY_CODE[DENIALS[denial.reason].code] ?? status, headers },
    );
  };

/** A refusal of one part of the request, as a handler answers it. */
export const refusedAt = (stage: Stage, outcome: Outcome<never>): HandlerResult => ({
  outcome,
  renderError: oauthRefusal(stage),
});
