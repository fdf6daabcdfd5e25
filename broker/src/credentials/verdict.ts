import type { Denial } from '@agent-ticket/shared/denial.ts';
import type { Outcome } from '@agent-ticket/shared/outcome.ts';
import { countFailure, type FailedCall, type FailurePorts } from './failures.ts';
import type { Authenticated } from './principal.ts';

/** Who a security event is about. */
export const whoLine = ({ principal, method }: Authenticated) => ({
  principal: principal.id,
  tier: principal.tier,
  auth_method: method,
});

interface RouteName {
  readonly method: string;
  readonly path: string;
}

/**
 * Tells those who watch how it went with a credential, one line for each that was shown, and counts it where it
 * failed. Answers the outcome to go on with, which then may be "too many".
 */
export async function logAuthResult(
  outcome: Outcome<Authenticated>,
  call: FailedCall,
  route: RouteName,
  ports: FailurePorts,
  bodyClientId?: string,
): Promise<Outcome<Authenticated>> {
  if (!outcome.ok) return logAuthFailure(outcome, call, route, ports, bodyClientId);
  const line = { ...route, ...whoLine(outcome.value), request_id: call.requestId };
  if (outcome.value.method !== 'anonymous') ports.log({ event: 'auth_success', ...line });
  return outcome;
}

export function logAuthFailure(
  refusal: { readonly ok: false; readonly denial: Denial },
  call: FailedCall,
  route: RouteName,
  ports: FailurePorts,
  bodyClientId?: string,
): Promise<Outcome<never>> {
  const { reason, detail } = refusal.denial;
  ports.log({ event: 'auth_failure', ...route, reason, detail, request_id: call.requestId });
  return countFailure(refusal, call, ports, bodyClientId);
}
