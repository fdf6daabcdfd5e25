import type { CryptoKey } from 'jose';
import type { Denial, DenialReason } from './denial.ts';
import { CLOCK_SKEW_SECONDS, EXPIRED_GRACE_SECONDS, TICKET_MAX_BYTES } from './limits.ts';
import type { KeyId, Transport } from './names.ts';
import { err, type Outcome, ok } from './outcome.ts';
import { isCanonicalCompact, type OwnJwsKind, readJwsHeader, verifyOwnJws } from './own-jws.ts';
import { covers, type Scope } from './scope.ts';
import { TICKET_TYPE, type TicketAlgorithm, TicketClaims } from './ticket.ts';

/** A public key and the one algorithm that it may verify. */
interface VerificationKey {
  readonly alg: TicketAlgorithm;
  readonly key: CryptoKey;
}

/**
 * Finds a key by `kid`, refusing with `ticket_key_unknown` when the current set lacks it, and with
 * `keys_unavailable` when no current set could be fetched. Safe to call concurrently.
 */
export type FindKey = (kid: KeyId) => Promise<Outcome<VerificationKey>>;

interface TicketExpectations {
  /** The broker, equal to `iss` character by character. */
  readonly issuer: string;
  /** This agent worker, equal to `aud` character by character. */
  readonly audience: string;
  /** Seconds since 1970. Up to {@link CLOCK_SKEW_SECONDS} of difference is tolerated each way. */
  readonly nowSeconds: number;
  /** The destination taken from the request, which the ticket must name. */
  readonly route: { readonly agent: string; readonly instance: string };
  /** What the request is about to do. */
  readonly scope: Scope;
  /** Left out: either, for plain requests, which a ticket of both kinds may make. */
  readonly transport?: Transport | undefined;
  readonly findKey: FindKey;
}

export interface VerifiedTicket {
  readonly claims: TicketClaims;
  readonly kid: KeyId;
}

const TICKET: OwnJwsKind<TicketClaims> = {
  typ: TICKET_TYPE,
  maxBytes: TICKET_MAX_BYTES,
  claims: TicketClaims,
  refusals: {
    spelling: 'ticket_malformed',
    header: 'ticket_header_invalid',
    signature: 'ticket_signature_invalid',
    claims: 'ticket_claims_invalid',
  },
};

/**
 * The one verifier of tickets. The gate uses it for received tickets, the broker for tickets before it sends them.
 *
 * In order: canonical spelling, exact header, key by `kid` with its own algorithm, signature (RFC 7515 §5.2), strict
 * claims, issuer, audience, time, route, transport, scope. Stops at the first failure.
 *
 * Does NOT check: replay (the destination object burns `jti`), revocations, whether the principal still exists, `role`,
 * `tier` and `session_expiry` (the object enforces that). Throws only on bugs and broken runtimes.
 */
export async function verifyTicket(
  token: string,
  expected: TicketExpectations,
): Promise<Outcome<VerifiedTicket>> {
  const signed = await verifySignature(token, expected.findKey);
  if (!signed.ok) return signed;
  const { claims } = signed.value;
  const wrong = CHECKS.find(([, holds]) => !holds(claims, expected));
  if (wrong === undefined) return signed;
  return err(wrong[0], { jti: claims.jti, ...timeFacts(wrong[0], claims, expected.nowSeconds) });
}

/**
 * The first half of {@link verifyTicket}, up to the strict claims, for the broker's questions about a ticket of any time
 * and place.
 *
 * Does NOT check issuer, audience, time, route, transport and scope, nor anything that `verifyTicket` does not check.
 */
export async function verifySignature(token: string, findKey: FindKey): Promise<Outcome<VerifiedTicket>> {
  const verified = await verifyOwnJws(token, TICKET, findKey);
  return verified.ok ? ok({ claims: verified.value.claims, kid: verified.value.kid }) : verified;
}

/** Whether a text says of itself that it is a ticket. Verifies nothing. */
export const isNamedTicket = (text: string): boolean => {
  const header = isCanonicalCompact(text) ? readJwsHeader(text) : undefined;
  return typeof header === 'object' && header !== null && 'typ' in header && header.typ === TICKET_TYPE;
};

/** The longest `retry-after` for a wrong clock: clocks are corrected within minutes, or by hand. */
const NOT_YET_VALID_MAX_SECONDS = 60;

/** The clock difference to the ticket, for the log, and the time after which the client may retry. */
function timeFacts(
  reason: DenialReason,
  claims: TicketClaims,
  nowSeconds: number,
): Pick<Denial, 'detail' | 'retryAfter'> {
  const early = Math.max(claims.nbf, claims.iat) - nowSeconds;
  switch (reason) {
    case 'ticket_not_yet_valid':
      return {
        detail: `${early} s before its time: this clock is slow, or the broker's is fast`,
        retryAfter: Math.min(Math.max(1, early - CLOCK_SKEW_SECONDS), NOT_YET_VALID_MAX_SECONDS),
      };
    case 'ticket_expired':
    case 'ticket_long_expired':
      return { detail: `expired ${nowSeconds - claims.exp} s ago` };
    default:
      return {};
  }
}

/** The conditions on well-formed claims, in order, each with the reason of its refusal. */
const CHECKS: readonly [DenialReason, (claims: TicketClaims, expected: TicketExpectations) => boolean][] = [
  ['ticket_issuer_wrong', (c, e) => c.iss === e.issuer],
  ['ticket_audience_wrong', (c, e) => c.aud === e.audience],
  ['ticket_not_yet_valid', (c, e) => Math.max(c.nbf, c.iat) <= e.nowSeconds + CLOCK_SKEW_SECONDS],
  ['ticket_long_expired', (c, e) => e.nowSeconds < c.exp + EXPIRED_GRACE_SECONDS],
  ['ticket_expired', (c, e) => e.nowSeconds < c.exp + CLOCK_SKEW_SECONDS],
  ['ticket_agent_wrong', (c, e) => c.agent === e.route.agent],
  ['ticket_instance_wrong', (c, e) => c.instance === e.route.instance],
  ['ticket_transport_wrong', (c, e) => e.transport === undefined || c.transport === e.transport],
  ['ticket_scope_missing', (c, e) => covers(c.scope, e.scope)],
];
