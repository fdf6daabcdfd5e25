import { DENIALS } from '@agent-ticket/shared/denial.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { isCanonicalCompact, readJwsHeader } from '@agent-ticket/shared/own-jws.ts';
import { decodeJwt, errors, jwtVerify } from 'jose';
import * as z from 'zod';
import { SET_MAX_AGE_SECONDS } from '../config/caep.ts';
import { countFailure } from '../credentials/auth-result.ts';
import { findKey, fromIssuer, type IssuerWithKeys, LEEWAY_SECONDS } from '../credentials/foreign-jwt.ts';
import { foreignPrincipalId } from '../credentials/foreign-principal.ts';
import type { CaepTransmitter } from '../credentials/registered-keys.ts';
import { renderError, renderErrorWith } from '../http/answer.ts';
import type { ErrorRenderer } from '../http/context.ts';
import { retryAfterOf } from '../http/rate.ts';
import { readBytes } from '../http/request-bytes.ts';
import type { Call, Handler, HandlerResult } from '../runtime/call.ts';
import { SESSION_REVOKED } from '../webhooks/set.ts';
import { signOut } from './sign-out.ts';

/** Error codes of RFC 8935 §2.4, with the text of the answer. */
const SET_ERRORS = {
  invalid_request: 'the token is not valid, or has a subject that is not supported',
  invalid_key: 'the key of the token is unknown, or did not sign it',
  invalid_issuer: 'the issuer is not configured',
  invalid_audience: 'the token is for another audience',
  access_denied: 'the issuer may not report events about this subject',
} as const;
type SetError = keyof typeof SET_ERRORS;

/** Refusals of a token as RFC 8935 §2.3 has them; others of the status 400 are faults of the request. */
const setRefusal =
  (code: SetError = 'invalid_request'): ErrorRenderer =>
  (denial, requestId, rate) => {
    const isBad = DENIALS[denial.reason].code === 'BAD_REQUEST';
    const members = isBad ? { err: code, description: SET_ERRORS[code] } : {};
    return renderErrorWith(members, denial, requestId, rate);
  };
export const refuseSet = setRefusal();

/** Sign-outs that one transmitter may order in a minute. */
const PER_MINUTE = 60;
const MAX_BYTES = 8192;

const Header = z.object({
  kid: z.string().min(1).max(256),
  typ: z.string().regex(/^(application\/)?secevent\+jwt$/i),
});

/** RFC 8417 §2.2. With an `exp` or a `nonce` it would be another kind of token. */
const Claims = z.object({
  jti: z.string().min(1).max(256),
  iat: z.int(),
  exp: z.undefined().optional(),
  nonce: z.undefined().optional(),
  sub: z.undefined().optional(),
  sub_id: z.unknown(),
  events: z
    .record(z.string().max(512), z.looseObject({}))
    .refine((events) => Object.keys(events).length > 0 && Object.keys(events).length <= 16),
});
type Claims = z.output<typeof Claims>;

/** RFC 9493 §3.2.3. Addresses identify no principal here, and no other form is supported. */
const Subject = z.strictObject({
  format: z.literal('iss_sub'),
  iss: z.string().min(1).max(512),
  sub: z.string().min(1).max(400),
});
/** CAEP 1.0 §2, §3.1: in seconds. */
const SessionRevoked = z.looseObject({ event_timestamp: z.int().nonnegative().optional() });

/**
 * `POST /caep/events`: takes a security event token of a configured transmitter (RFC 8935). `session-revoked` of CAEP
 * signs a person out: no credential issued until `event_timestamp` is accepted any more, and sessions end; those with a
 * later credential reconnect. 202 means that the token was accepted: also for a person who is unknown, for a token that
 * was sent before, and for events of other kinds, which have no effect.
 */
export const receiveSecurityEvent: Handler = async (call) => {
  const { caep } = call.ports.credentials;
  if (caep.length === 0) return { outcome: err('route_unknown'), renderError };
  const bytes = await readBytes(call.request, /^application\/secevent\+jwt\s*(;|$)/i);
  if (!bytes.ok) return bytes;
  const verified = await verifySet(new TextDecoder().decode(bytes.value), caep, call);
  if (!('claims' in verified)) return verified;
  return execute(verified.transmitter, verified.claims, call);
};

const TAKEN = ok({ status: 202 } as const);

async function execute(transmitter: CaepTransmitter, claims: Claims, call: Call): Promise<HandlerResult> {
  const { ports, now } = call;
  const { usedTokens } = ports.control;
  const payload = claims.events[SESSION_REVOKED];
  if (payload === undefined) {
    ports.log({ event: 'security_event_ignored', issuer: transmitter.issuer });
    return { outcome: TAKEN };
  }
  const event = SessionRevoked.safeParse(payload);
  const subject = Subject.safeParse(claims.sub_id);
  if (!event.success || !subject.success) return invalid('event or subject', 'invalid_request');
  const { iss, sub } = subject.data;
  if (iss !== transmitter.subjects) return invalid('subject of another issuer', 'access_denied');
  const kind = transmitter.namespace.startsWith('access:') ? 'user:' : '';
  const principal = foreignPrincipalId(transmitter, kind + sub);
  if (principal === undefined) return invalid('subject', 'invalid_request');

  const name = `caep:${transmitter.issuer} ${claims.jti}`;
  // The token was executed before: a transmitter that missed the answer must get it again.
  if (await usedTokens.isUsed(name)) return { outcome: TAKEN };
  const key = `caep:${transmitter.issuer}`;
  const { admitted, rate } = await ports.shard.count(key, { key, limit: PER_MINUTE });
  if (!admitted) return { outcome: err('rate_limited', { retryAfter: retryAfterOf(rate, now) }), rate };

  // A time in the future would refuse credentials that are issued until then.
  const before = Math.min(now, (event.data.event_timestamp ?? claims.iat) * 1000);
  const until = (claims.iat + SET_MAX_AGE_SECONDS + 2 * LEEWAY_SECONDS) * 1000;
  await signOut(
    {
      ...{ by: 'caep', principals: [principal], login: undefined, before },
      // In the same batch: an event that was not executed must be taken when it is sent again.
      ends: [usedTokens.note(name, until)],
    },
    call,
  );
  return { outcome: TAKEN };
}

const invalid = (detail: string, code: SetError): HandlerResult => ({
  outcome: err('security_event_invalid', { detail }),
  renderError: setRefusal(code),
});

interface VerifiedSet {
  readonly transmitter: CaepTransmitter;
  readonly claims: Claims;
}

/**
 * A token of a transmitter: of its own type, signed by that transmitter's own keys with their algorithm, exact issuer, one
 * of its audiences, not older than a week. Does NOT check the subject, nor whether the token was sent before.
 */
async function verifySet(
  token: string,
  transmitters: readonly IssuerWithKeys<CaepTransmitter>[],
  call: Call,
): Promise<VerifiedSet | HandlerResult | Outcome<never>> {
  const refuse = async (detail: string, code: SetError): Promise<HandlerResult> => ({
    ...invalid(detail, code),
    outcome: await countFailure(err('security_event_invalid', { detail }), call, call.ports),
  });
  if (!isCanonicalCompact(token, MAX_BYTES)) return refuse('spelling', 'invalid_request');
  try {
    const header = Header.safeParse(readJwsHeader(token));
    if (!header.success) return refuse('header', 'invalid_request');
    const { iss } = decodeJwt(token);
    const found = transmitters.find(({ issuer }) => issuer.issuer === iss);
    if (found === undefined) return refuse('issuer', 'invalid_issuer');
    const key = await findKey(found, header.data.kid);
    if (!key.ok)
      return key.denial.reason === 'identity_source_unavailable' ? key : refuse('key', 'invalid_key');
    const { payload } = await jwtVerify(token, key.value.key, {
      ...fromIssuer(found.issuer, key.value.alg, call.now),
      maxTokenAge: SET_MAX_AGE_SECONDS,
    });
    const claims = Claims.safeParse(payload);
    if (!claims.success) return refuse('claims', 'invalid_request');
    return { transmitter: found.issuer, claims: claims.data };
  } catch (error) {
    if (!(error instanceof errors.JOSEError)) throw error;
    const isAudience = error instanceof errors.JWTClaimValidationFailed && error.claim === 'aud';
    const isKey = error instanceof errors.JWSSignatureVerificationFailed;
    return refuse(error.code, isAudience ? 'invalid_audience' : isKey ? 'invalid_key' : 'invalid_request');
  }
}
