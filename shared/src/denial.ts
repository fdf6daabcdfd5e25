/**
 * The closed list of refusals. Logs and audit events contain the exact `reason`. Callers see only a general error code
 * of an HTTP answer, or a close code of a socket. Every reason has exactly one row.
 */

/** Error codes that an HTTP client sees, with status and text. Texts hold no value from the request. */
export const ERROR_CODES = {
  BAD_REQUEST: { status: 400, message: 'the request is not valid' },
  UNAUTHORIZED: { status: 401, message: 'a valid credential is needed' },
  TOKEN_EXPIRED: { status: 401, message: 'the credential has expired' },
  FORBIDDEN: { status: 403, message: 'not allowed' },
  NOT_FOUND: { status: 404, message: 'not found' },
  METHOD_NOT_ALLOWED: { status: 405, message: 'method not allowed' },
  CONFLICT: { status: 409, message: 'the resource is in another state' },
  PAYLOAD_TOO_LARGE: { status: 413, message: 'the body is too large' },
  UNSUPPORTED_MEDIA_TYPE: { status: 415, message: 'send the body as application/json' },
  RATE_LIMITED: { status: 429, message: 'too many requests' },
  INTERNAL: { status: 500, message: 'internal error' },
  UNAVAILABLE: { status: 503, message: 'try again shortly' },
} as const satisfies Record<string, { status: number; message: string }>;
export type ErrorCode = keyof typeof ERROR_CODES;

/**
 * Close codes and the reason text sent with them. The stock client gives up on 1008 and 4000 to 4999 and
 * reconnects on everything else, so a lasting refusal is never below 4000 except 1008, and a passing one never
 * above 3999.
 */
export const CLOSES = {
  ticket_expired: { code: 3000, client: 'gets a new ticket and reconnects' },
  ticket_used: { code: 3000, client: 'gets a new ticket and reconnects' },
  session_expired: { code: 3000, client: 'gets a new ticket and reconnects' },
  rights_changed: { code: 3000, client: 'gets a new ticket and reconnects' },
  bad_request: { code: 4000, client: 'stops' },
  unauthorized: { code: 4001, client: 'stops, signs in' },
  forbidden: { code: 4003, client: 'stops' },
  not_found: { code: 4004, client: 'stops' },
  idle: { code: 4008, client: 'reconnects when the person returns' },
  frame_too_large: { code: 1008, client: 'stops' },
  too_many_messages: { code: 1008, client: 'stops' },
  internal: { code: 1011, client: 'retries with backoff' },
  // Sent by the platform when it moves or updates an object, never by this project.
  restarting: { code: 1012, client: 'retries with backoff' },
  rate_limited: { code: 1013, client: 'retries with backoff' },
  too_many_sockets: { code: 1013, client: 'retries with backoff' },
  unavailable: { code: 1013, client: 'retries with backoff' },
} as const satisfies Record<string, { code: number; client: string }>;
export type CloseReason = keyof typeof CLOSES;

const row = <C extends ErrorCode, K extends CloseReason>(code: C, close: K) => ({ code, close }) as const;
const badRequest = row('BAD_REQUEST', 'bad_request');
const unauthorized = row('UNAUTHORIZED', 'unauthorized');
const forbidden = row('FORBIDDEN', 'forbidden');
const notFound = row('NOT_FOUND', 'not_found');
const unavailable = row('UNAVAILABLE', 'unavailable');

/** Exact reason → the error code and close code that callers see. In the order of the protocol. */
export const DENIALS = {
  // the request itself
  route_unknown: notFound,
  method_not_allowed: row('METHOD_NOT_ALLOWED', 'bad_request'),
  plaintext_refused: forbidden,
  field_invalid: badRequest,
  secret_in_text: badRequest,
  grant_type_unsupported: badRequest,
  target_invalid: badRequest,
  scope_unknown: badRequest,
  body_not_json: badRequest,
  // The connection or its framing broke. The cause is the caller or its network, so this is no outage.
  body_incomplete: badRequest,
  body_too_large: row('PAYLOAD_TOO_LARGE', 'bad_request'),
  media_type_unsupported: row('UNSUPPORTED_MEDIA_TYPE', 'bad_request'),
  origin_not_allowed: forbidden,
  // the credential, at the broker
  credential_missing: unauthorized,
  credential_ambiguous: badRequest,
  credential_malformed: unauthorized,
  credential_unknown: unauthorized,
  credential_secret_wrong: unauthorized,
  credential_revoked: unauthorized,
  credential_expired: row('TOKEN_EXPIRED', 'unauthorized'),
  credential_not_yet_valid: unauthorized,
  credential_issuer_unknown: unauthorized,
  credential_key_unknown: unauthorized,
  credential_signature_invalid: unauthorized,
  credential_claims_invalid: unauthorized,
  credential_session_foreign: unauthorized,
  credential_rule_unmet: unauthorized,
  credential_used: unauthorized,
  // No 429: waiting does not make the credential a right one, and a right one is never limited.
  credential_tried_too_often: unauthorized,
  identity_source_unavailable: unavailable,
  login_not_begun: badRequest,
  login_refused: unauthorized,
  logout_token_invalid: badRequest,
  security_event_invalid: badRequest,
  actor_not_allowed: forbidden,
  delegation_too_deep: forbidden,
  // the decision, at the broker
  permission_missing: forbidden,
  agent_unknown: notFound,
  agent_invisible: notFound,
  instance_invalid: badRequest,
  instance_unlisted: notFound,
  instance_missing: badRequest,
  locked: forbidden,
  tier_insufficient: forbidden,
  grant_missing: forbidden,
  claim_limit_reached: forbidden,
  // Others claimed the instance and left it meanwhile.
  claim_contended: unavailable,
  scope_outside_role: forbidden,
  transport_not_offered: forbidden,
  // the operator's API, at the broker
  above_own_rights: forbidden,
  service_token_unknown: notFound,
  grant_unknown: notFound,
  grant_exists: row('CONFLICT', 'bad_request'),
  grant_limit_reached: forbidden,
  lock_unknown: notFound,
  webhook_unknown: notFound,
  webhook_limit_reached: forbidden,
  // Neither key-encryption key opens the secret. The receiver gets nothing until an operator acts.
  webhook_secret_unreadable: unavailable,
  principal_unknown: notFound,
  label_ambiguous: row('CONFLICT', 'bad_request'),
  session_unknown: notFound,
  session_already_ended: row('CONFLICT', 'bad_request'),
  // admission and issue, at the broker
  rate_limited: row('RATE_LIMITED', 'rate_limited'),
  database_unavailable: unavailable,
  signing_key_missing: unavailable,
  agent_worker_unavailable: unavailable,
  rotation_pending: row('CONFLICT', 'bad_request'),
  key_unknown: notFound,
  key_already_revoked: row('CONFLICT', 'bad_request'),
  audit_seal_agrees: row('CONFLICT', 'bad_request'),
  audit_seal_changed: row('CONFLICT', 'bad_request'),
  // the ticket, at the gate
  ticket_missing: unauthorized,
  ticket_delivered_twice: badRequest,
  ticket_delivery_not_allowed: forbidden,
  ticket_malformed: unauthorized,
  ticket_header_invalid: unauthorized,
  ticket_key_unknown: unauthorized,
  ticket_signature_invalid: unauthorized,
  ticket_claims_invalid: unauthorized,
  ticket_issuer_wrong: unauthorized,
  ticket_audience_wrong: unauthorized,
  // A clock is wrong, which resolves itself. The client must retry later: a new ticket would be refused as well.
  ticket_not_yet_valid: unavailable,
  ticket_expired: row('TOKEN_EXPIRED', 'ticket_expired'),
  ticket_long_expired: row('TOKEN_EXPIRED', 'unauthorized'),
  ticket_agent_wrong: forbidden,
  ticket_instance_wrong: forbidden,
  ticket_scope_missing: forbidden,
  ticket_transport_wrong: forbidden,
  keys_unavailable: unavailable,
  control_invalid: unauthorized,
  // the callback, at the gate and in the destination object
  callback_ambiguous: badRequest,
  callback_token_invalid: unauthorized,
  callback_token_expired: row('TOKEN_EXPIRED', 'unauthorized'),
  // The app's own verification refused, or could not decide.
  callback_refused: unauthorized,
  callback_instance_wrong: forbidden,
  callback_unverified: unavailable,
  callback_instance_unknown: notFound,
  // The same request is being handled: its sender comes again, and finds that it was.
  callback_in_progress: unavailable,
  worker_call_undeclared: forbidden,
  // a bug, anywhere
  internal: row('INTERNAL', 'internal'),
  // the session, inside the destination object
  claims_missing: unauthorized,
  destination_wrong: forbidden,
  streaming_not_admitted: forbidden,
  ticket_used: row('UNAUTHORIZED', 'ticket_used'),
  ticket_replayed: row('UNAUTHORIZED', 'ticket_used'),
  ticket_predates_object: row('UNAUTHORIZED', 'ticket_used'),
  session_expired: row('TOKEN_EXPIRED', 'session_expired'),
  session_terminated: forbidden,
  session_idle: row('UNAUTHORIZED', 'idle'),
  renewal_refused: forbidden,
  too_many_sockets: row('RATE_LIMITED', 'too_many_sockets'),
  too_many_messages: row('RATE_LIMITED', 'too_many_messages'),
  too_many_requests: row('RATE_LIMITED', 'rate_limited'),
  rights_changed: row('UNAUTHORIZED', 'rights_changed'),
  agent_failed: row('INTERNAL', 'internal'),
  frame_scope_missing: forbidden,
  frame_too_large: row('PAYLOAD_TOO_LARGE', 'frame_too_large'),
} as const satisfies Record<string, { code: ErrorCode; close: CloseReason }>;
export type DenialReason = keyof typeof DENIALS;

export interface Denial {
  readonly reason: DenialReason;
  /** The field of the request that is at fault, for the client. Never its value. */
  readonly field?: string;
  /** What the client should do instead, a constant text of ours without request data. */
  readonly hint?: string;
  /** Methods the route has, for `Allow`. */
  readonly allow?: readonly string[];
  /** Seconds after which trying again makes sense, for `Retry-After`. */
  readonly retryAfter?: number;
  /** For log and audit only. Never sent out. Must hold no credential bytes. */
  readonly detail?: string;
  /** The `jti` of a ticket that was refused although its signature is good: for log and audit only, as `detail`. */
  readonly jti?: string;
}

/** The HTTP face of a refusal: status, code, and a text without request data. */
export function httpErrorOf(denial: Denial): { status: number; code: ErrorCode; message: string } {
  const { code } = DENIALS[denial.reason];
  const { status, message } = ERROR_CODES[code];
  const about = denial.field === undefined ? message : `${message}: ${denial.field}`;
  return { status, code, message: denial.hint === undefined ? about : `${about} (${denial.hint})` };
}

/** The WebSocket face of a refusal: a close code and its reason text. */
export function closeFrameOf(denial: Denial): { code: number; reason: CloseReason } {
  const reason = DENIALS[denial.reason].close;
  return { code: CLOSES[reason].code, reason };
}
