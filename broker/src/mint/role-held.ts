import type { Role } from '@agent-ticket/shared/names.ts';
import { type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { findAgent, usualTransport } from '@agent-ticket/shared/registry.ts';
import type { Authenticated } from '../credentials/principal.ts';
import type { RequestContext } from '../http/context.ts';
import type { ChangePorts } from '../revocation/outbox.ts';
import { resolveLapse } from './claims.ts';
import { decide, HIDDEN, type PolicyInput } from './policy.ts';
import { type AgentInstance, type PolicyInputPorts, readPolicyInput } from './policy-input.ts';

interface Asking extends RequestContext {
  readonly who: Authenticated;
  readonly ports: ChangePorts & PolicyInputPorts;
}

/** The role that a caller has on an instance now. */
interface HeldRole {
  /** `undefined`: none, also where the caller could become the owner by a claim. */
  readonly role: Role | undefined;
  /** When the grant that decided ends, in ms; null: never. */
  readonly until: number | null;
  /** Whether a lock on the caller or the instance is in force. It takes no role away, so callers refuse it themselves. */
  readonly isLocked: boolean;
  /** Whether the caller may not see the agent, or the instance is none of it: a mint answers as if there was none. */
  readonly isHidden: boolean;
}

/**
 * The role by the same decision as a mint: tier, permissions of a service, disabled agents and ends of grants count, and
 * a claim that was never used gives no role. Whether a claim of the caller was used is asked of its object, as at a
 * mint. `instance` may be `*`: the role on every instance.
 */
export async function roleHeld(at: AgentInstance, asking: Asking): Promise<Outcome<HeldRole>> {
  const { who, now, ports } = asking;
  const first = roleIn(who, at, (await readPolicyInput(who, at, now, ports)).input);
  if (first.lapses?.subject !== who.principal.id) return ok(first.held);
  const resolved = await resolveLapse(first.lapses, asking, ports);
  if (!resolved.ok) return resolved;
  return ok(roleIn(who, at, (await readPolicyInput(who, at, now, ports)).input).held);
}

function roleIn(who: Authenticated, { agent, instance }: AgentInstance, input: PolicyInput) {
  const isLocked = input.revocations.length > 0;
  const entry = findAgent(input.registry, agent);
  const named = instance === '*' ? (entry?.instances?.[0] ?? instance) : instance;
  const asked = { agent, instance: named, transport: usualTransport(entry) };
  const decision = decide(who, asked, { ...input, revocations: [] });
  const isHidden = !decision.allowed && HIDDEN.includes(decision.reason);
  const held = { role: undefined, until: null, isLocked, isHidden };
  // The role of a rollout is for tickets: it gives nothing to give on.
  if (!decision.allowed || decision.wouldDeny !== undefined) return { held, lapses: undefined };
  if (decision.claim !== undefined) return { held, lapses: decision.claim.lapses };
  const grant = input.grants.find(({ id }) => id === decision.grant);
  return { held: { ...held, role: decision.role, until: grant?.expiresAt ?? null }, lapses: undefined };
}
