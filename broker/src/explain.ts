import { targetNamesOf, targetNamesOfPrincipal } from '@agent-ticket/shared/control.ts';
import { PrincipalId, Tier } from '@agent-ticket/shared/names.ts';
import { allow, deny, type Outcome } from '@agent-ticket/shared/outcome.ts';
import { formatScope } from '@agent-ticket/shared/scope.ts';
import * as z from 'zod';
import { partiesOf } from './delegation.ts';
import { claimFirst } from './first-user.ts';
import { readBody } from './http/body.ts';
import type { Handler } from './http/call.ts';
import { iso } from './http/iso.ts';
import { type Decision, decide } from './policy.ts';
import type { BrokerPorts } from './ports.ts';
import { type Authenticated, plainPrincipal, subjectsOf } from './principal.ts';
import { TicketRequest } from './ticket-request.ts';

/** Body of `POST /explain`: a ticket request, and for whom, where that is somebody else. */
export const ExplainRequest = TicketRequest.omit({ expires_in: true }).extend({
  principal: PrincipalId.optional(),
  /** What the other principal is supposed to have: the broker stores no users, so it cannot look that up. */
  kind: z.enum(['user', 'service']).default('user'),
  tier: Tier.default('free'),
  permissions: z.array(z.string().max(128)).max(64).default([]),
});
type ExplainRequest = z.output<typeof ExplainRequest>;

/** `POST /explain`: the decision that a ticket request would meet now, rule by rule. Issues and changes nothing. */
export const explain =
  (ports: BrokerPorts): Handler =>
  async (call) => {
    const body = await readBody(call.request, ExplainRequest);
    if (!body.ok) return { outcome: body };
    const subject = subjectOf(call.who, body.value);
    if (!subject.ok) return { outcome: subject };
    const who = subject.value;
    const request = { ...body.value, instance: body.value.instance ?? 'default' };

    const subjects = subjectsOf(who.principal, ports.trustEmail);
    const signing = await ports.keyring.signer(call.now);
    const kid = signing.ok ? { kid: signing.value.material.kid } : {};
    const held = await ports.policy.read({
      subjects,
      agent: request.agent,
      instance: request.instance,
      lockTargets: [
        ...targetNamesOf({
          principal: who.principal.id,
          agent: request.agent,
          instance: request.instance,
          ...kid,
        }),
        ...partiesOf(who).flatMap(targetNamesOfPrincipal),
      ],
      now: call.now,
    });
    const now = Math.floor(call.now / 1000);
    const decision = decide(who, request, { registry: ports.registry, ...held, now });
    // What the caller may not see is explained no further than a mint would: the same answer as for nothing at all.
    if (!decision.allowed && HIDDEN.includes(decision.reason)) return { outcome: deny(decision.reason) };
    const claimable =
      !decision.allowed &&
      decision.reason === 'grant_missing' &&
      (await claimFirst.isOpen(who, request, ports));
    return { outcome: allow({ status: 200, body: view(who, decision, claimable, held.grants) }) };
  };

const HIDDEN: readonly string[] = [
  'credential_missing',
  'agent_unknown',
  'agent_disabled',
  'agent_invisible',
  'instance_unlisted',
];

function subjectOf(who: Authenticated, request: ExplainRequest): Outcome<Authenticated> {
  const { principal: id, kind, tier, permissions } = request;
  if (id === undefined || id === who.principal.id) return allow(who);
  if (!who.principal.permissions.includes('explain:any'))
    return deny('permission_missing', { inside: 'explain:any' });
  const principal = { ...plainPrincipal({ id, kind, issuer: 'hypothetical' }), tier, permissions };
  return allow({ method: kind === 'service' ? 'service-token' : 'auth0', principal });
}

const view = (
  who: Authenticated,
  decision: Decision,
  claimable: boolean,
  grants: readonly {
    readonly id: string;
    readonly subject: string;
    readonly instanceId: string;
    readonly role: string;
    readonly expiresAt: number | null;
  }[],
) => ({
  principal: who.principal.id,
  allowed: decision.allowed,
  role: decision.allowed ? decision.role : null,
  scope: decision.allowed ? formatScope(decision.scope) : null,
  session_expires_at: decision.allowed ? iso(decision.sessionExpiry * 1000) : null,
  /** The instance has no owner yet: asking for a ticket would make the caller its owner. */
  would_claim: claimable,
  rules: decision.rules.map(({ rule, holds }) => ({ rule, holds })),
  grants: grants.map(({ id, subject, instanceId, role, expiresAt }) => ({
    id,
    subject,
    instance: instanceId,
    role,
    expires_at: iso(expiresAt),
  })),
});
