import { isOutage } from '@agent-ticket/drizzle/outage.ts';
import { addressKey } from '@agent-ticket/shared/anonymous.ts';
import { DENIALS, type Denial, type DenialReason } from '@agent-ticket/shared/denial.ts';
import { err, type Outcome } from '@agent-ticket/shared/outcome.ts';
import { base64url } from 'jose';
import type { RequestContext } from '../http/context.ts';
import { type Counter, FAILED_CREDENTIALS_LIMIT, retryAfterOf } from '../http/rate.ts';
import { presentedCredential } from './presented.ts';
import type { Authenticated } from './principal.ts';
import { tokenIdIn } from './secret.ts';

/** Refusals that count as a failed try: the credential is wrong, not early, late or out of reach. */
const COUNTED: readonly DenialReason[] = [
  'credential_malformed',
  'security_event_invalid',
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

/** Members of a security event that name the principal. */
export const principalFields = ({ principal, method }: Authenticated) => ({
  principal: principal.id,
  tier: principal.tier,
  auth_method: method,
});

interface AuthResultPorts {
  readonly shard: Counter;
  readonly log: (event: Readonly<Record<string, unknown>>) => void;
}

/** A request that presented a credential. */
type CredentialCall = Pick<RequestContext, 'now' | 'ipAddress'> & {
  readonly request: Request;
};

export interface RouteName {
  readonly method: string;
  readonly path: string;
}

type Refusal = { readonly ok: false; readonly denial: Denial };

/**
 * Logs the result of one credential as a security event, and counts it where it failed. Answers the outcome to go on
 * with, which then may be "too many".
 *
 * @param bodyClientId client id that came in a body.
 */
export async function logAuthResult(
  outcome: Outcome<Authenticated>,
  call: CredentialCall,
  route: RouteName,
  ports: AuthResultPorts,
  bodyClientId?: string,
): Promise<Outcome<Authenticated>> {
  if (!outcome.ok) return logAuthFailure(outcome, call, route, ports, bodyClientId);
  const line = { ...route, ...principalFields(outcome.value), ip_address: call.ipAddress };
  if (outcome.value.method !== 'anonymous') ports.log({ event: 'auth_success', ...line });
  return outcome;
}

export function logAuthFailure(
  refusal: Refusal,
  call: CredentialCall,
  route: RouteName,
  ports: AuthResultPorts,
  bodyClientId?: string,
): Promise<Outcome<never>> {
  const { reason, detail } = refusal.denial;
  // The audit log has no event of it: only this line says where the guesses come from.
  ports.log({ event: 'auth_failure', ...route, ip_address: call.ipAddress, reason, detail });
  return countFailure(refusal, call, ports, bodyClientId);
}

/**
 * Counts a failed credential by address, and by client id if the address is not over its limit: inventing client ids
 * buys no more counters than that. Answers the refusal to give: the one it had, or "too many" once a count is over, which
 * for a credential is as dull as a wrong one: a person must sign in, and not wait. A right credential is never counted, so that nobody can lock another out.
 *
 * While the counter is unavailable the refusal is not counted, since it refuses already; the outage is logged. Any
 * other error is thrown.
 */
export async function countFailure(
  refusal: Refusal,
  { request, ipAddress, now }: CredentialCall,
  { shard, log }: AuthResultPorts,
  bodyClientId?: string,
): Promise<Outcome<never>> {
  if (!COUNTED.includes(refusal.denial.reason)) return refusal;
  const clientId = clientIdOf(request.headers) ?? bodyClientId;
  const keys = [
    `failed:address:${addressKey(ipAddress)}`,
    ...(clientId === undefined ? [] : [`failed:client:${await clientKey(clientId)}`]),
  ];
  try {
    for (const key of keys) {
      const { admitted, rate } = await shard.count(key, { key, limit: FAILED_CREDENTIALS_LIMIT });
      if (admitted) continue;
      const { code } = DENIALS[refusal.denial.reason];
      const reason = code === 'UNAUTHORIZED' ? 'credential_tried_too_often' : 'rate_limited';
      return err(reason, { retryAfter: retryAfterOf(rate, now) });
    }
  } catch (error) {
    if (!isOutage(error)) throw error;
    log({ event: 'outage', reason: 'failure_not_counted' });
  }
  return refusal;
}

/** The client id beside a secret, or the one that a secret by itself names. */
function clientIdOf(headers: Headers): string | undefined {
  const presented = presentedCredential(headers);
  if (!presented.ok) return undefined;
  if (presented.value.kind === 'client-secret') return presented.value.clientId;
  return presented.value.kind === 'bearer' ? tokenIdIn(presented.value.token) : undefined;
}

/**
 * One key per client id: characters that a header or Basic adds around its letters, digits and `_` start no second
 * count. A digest, since callers may send a secret as the id, and keys are stored.
 */
async function clientKey(clientId: string): Promise<string> {
  const canonical = new TextEncoder().encode(clientId.replaceAll(/[^A-Za-z0-9_]/g, ''));
  return base64url.encode(new Uint8Array(await crypto.subtle.digest('SHA-256', canonical)));
}
