import { isOutage } from '@agent-ticket/drizzle/outage.ts';
import type { Denial, DenialReason } from '@agent-ticket/shared/denial.ts';
import { err, type Outcome } from '@agent-ticket/shared/outcome.ts';
import { base64url } from 'jose';
import type { RequestContext } from '../http/call.ts';
import { addressKey, FAILED_CREDENTIALS_LIMIT, type Ledger, retryAfterOf } from '../mint/ledger.ts';
import { presentedCredential } from './presented.ts';

/** Refusals that count as a failed try: what was presented is wrong, not early, late or out of reach. */
const COUNTED: readonly DenialReason[] = [
  'credential_malformed',
  'credential_unknown',
  'credential_secret_wrong',
  'credential_revoked',
  'credential_signature_invalid',
  'credential_claims_invalid',
  'credential_issuer_unknown',
  'credential_rule_unmet',
  'credential_used',
  'credential_key_unknown',
  'logout_token_invalid',
];

/**
 * One key per client id: what a header or Basic adds around its letters, digits and `_` makes no second count. A
 * digest, since people put a secret where the id belongs, and keys are kept.
 */
async function clientKey(clientId: string): Promise<string> {
  const canonical = new TextEncoder().encode(clientId.replaceAll(/[^A-Za-z0-9_]/g, ''));
  return base64url.encode(new Uint8Array(await crypto.subtle.digest('SHA-256', canonical)));
}

export interface FailurePorts {
  readonly ledger: Ledger;
  readonly log: (event: Readonly<Record<string, unknown>>) => void;
}

/** A request whose credential failed. */
export type FailedCall = Pick<RequestContext, 'requestId' | 'now' | 'ipAddress'> & {
  readonly request: Request;
};

/**
 * Counts a failed credential by address, and by client id if the address is not over its limit: whoever invents client
 * ids buys no more counters than that. Answers the refusal to give: the one it had, or "too many" once a count is over.
 * A right credential is never counted, so nobody can lock another out.
 *
 * While the ledger is out of reach the refusal stands uncounted, since it refuses already; the outage is logged. Any
 * other error is thrown.
 *
 * @param bodyClientId client id that came in a body.
 */
export async function countFailure(
  refusal: { readonly ok: false; readonly denial: Denial },
  { request, ipAddress, now, requestId }: FailedCall,
  { ledger, log }: FailurePorts,
  bodyClientId?: string,
): Promise<Outcome<never>> {
  if (!COUNTED.includes(refusal.denial.reason)) return refusal;
  const presented = presentedCredential(request.headers);
  const clientId =
    presented.ok && presented.value.kind === 'client-secret' ? presented.value.clientId : bodyClientId;
  const keys = [
    `failed:address:${addressKey(ipAddress)}`,
    ...(clientId === undefined ? [] : [`failed:client:${await clientKey(clientId)}`]),
  ];
  try {
    for (const key of keys) {
      const { admitted, rate } = await ledger.settle(key, { rate: { key, limit: FAILED_CREDENTIALS_LIMIT } });
      if (!admitted) return err('rate_limited', { retryAfter: retryAfterOf(rate, now) });
    }
  } catch (error) {
    if (!isOutage(error)) throw error;
    log({ event: 'outage', reason: 'failure_not_counted', request_id: requestId });
  }
  return refusal;
}
