import { isAnonymous } from '@agent-ticket/shared/anonymous.ts';
import type { DenialReason } from '@agent-ticket/shared/denial.ts';
import { PrincipalId, Tier } from '@agent-ticket/shared/names.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { formatScope } from '@agent-ticket/shared/scope.ts';
import * as z from 'zod';
import { permissionMissing } from '../credentials/permissions.ts';
import { type Authenticated, isPrincipalName, plainPrincipal } from '../credentials/principal.ts';
import { tokenHolder } from '../credentials/service-token.ts';
import { iso } from '../http/iso.ts';
import { DEFAULT_INSTANCE, type Decision, decide, HIDDEN, type PolicyInput } from '../mint/policy.ts';
import { readPolicyInput } from '../mint/policy-input.ts';
import { TicketRequest } from '../mint/ticket-request.ts';
import { readBody } from '../runtime/body.ts';
import type { Call, Handler } from '../runtime/call.ts';

/** Body of `POST /explain`: a ticket request, and for whom, where that is somebody else. */
export const ExplainRequest = TicketRequest.omit({ expires_in: true }).extend({
  principal: PrincipalId.refine(isPrincipalName).optional(),
  /** What the other principal is supposed to have: the broker stores no users, so it cannot look that up. */
  kind: z.enum(['user', 'service']).default('user'),
  tier: Tier.default('free'),
  permissions: z.array(z.string().min(1).max(128)).max(64).default([]),
  /** Exactly `iss`: grants to addresses and groups count by it. */
  issuer: z.string().min(1).max(256).optional(),
  /** An address that the issuer has verified. */
  email: z.email().max(320).optional(),
  groups: z.array(z.string().min(1).max(128)).max(200).default([]),
});
type ExplainRequest = z.output<typeof ExplainRequest>;

/**
 * `POST /explain`: the decision that a ticket request would get now, rule by rule. Issues and changes nothing.
 * Does NOT say whether a ticket has room for the scope: that depends on the ticket.
 */
export const explain: Handler = async (call) => {
  const body = await readBody(call.request, ExplainRequest);
  if (!body.ok) return body;
  const request = body.value;
  const subject = await subjectOf(call, request);
  if (!subject.ok) return subject;
  const who = subject.value;
  // A caller that asks for somebody else is held to the agents of its own credential all the same.
  if (call.who.agents?.includes(request.agent) === false) return err('agent_invisible');

  const at = { agent: request.agent, instance: request.instance ?? DEFAULT_INSTANCE };
  const signer = await call.ports.keyring.signer(call.now);
  const kid = signer.ok ? signer.value.row.kid : undefined;
  const { input } = await readPolicyInput(who, at, call.now, call.ports, kid);
  // The request as it came: an agent that belongs to its first user has no default instance.
  const decision = decide(who, request, input);
  // The own decision is explained no further than a mint would. An operator who may ask for others may know of every agent.
  const hidden: readonly DenialReason[] = who === call.who ? HIDDEN : ['agent_unknown'];
  if (!decision.allowed && hidden.includes(decision.reason)) return err(decision.reason);
  return ok({ status: 200, body: view(who, decision, input) });
};

/** Whom the decision is about. What the broker knows of a service token is not taken from the caller. */
async function subjectOf({ who, ports }: Call, request: ExplainRequest): Promise<Outcome<Authenticated>> {
  const { principal: id, kind, tier, permissions, issuer = 'hypothetical', email, groups } = request;
  if (id === undefined || id === who.principal.id) return ok(who);
  if (!who.principal.permissions.includes('explain:any')) return permissionMissing('explain:any');
  if (id.startsWith('token:')) {
    const token = await ports.control.serviceTokens.find(id.slice('token:'.length));
    return token === undefined || token.revokedAt !== null
      ? err('service_token_unknown')
      : ok(tokenHolder(token, token.expiresAt === null ? [] : [token.expiresAt]));
  }
  const address = email === undefined ? {} : { email, emailVerified: true };
  const principal = { ...plainPrincipal({ id, kind, issuer, ...address }), tier, permissions, groups };
  const method = isAnonymous(id) ? 'anonymous' : kind === 'service' ? 'service-token' : 'auth0';
  return ok({ method, principal });
}

const view = (who: Authenticated, decision: Decision, { grants }: PolicyInput) => ({
  principal: who.principal.id,
  allowed: decision.allowed,
  role: decision.allowed ? decision.role : null,
  scope: decision.allowed ? formatScope(decision.scope) : null,
  session_expires_at: decision.allowed ? iso(decision.sessionExpiry * 1000) : null,
  /**
   * The instance has no owner yet: asking for a ticket would make the caller its owner. Does NOT ask the object of a claim
   * that may lapse, which may answer that it was opened.
   */
  would_claim: decision.allowed && decision.claim !== undefined,
  /** Why it would be refused without the rollout of the agent. */
  would_deny: (decision.allowed && decision.wouldDeny) || null,
  rules: decision.rules.map(({ rule, holds }) => ({ rule, holds })),
  grants: grants.map(({ id, subject, instanceId, role, expiresAt }) => ({
    id,
    subject,
    instance: instanceId,
    role,
    expires_at: iso(expiresAt),
  })),
});
