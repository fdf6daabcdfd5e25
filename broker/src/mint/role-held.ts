import type { Role } from '@agent-ticket/shared/names.ts';
import { type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { findAgent } from '@agent-ticket/shared/registry.ts';
import { type Authenticated, allowsAgent } from '../credentials/principal.ts';
import type { RequestContext } from '../http/context.ts';
import type { ChangePorts } from '../revocation/changes.ts';
import { resolveLapse } from './claims.ts';
import { decide, type PolicyInput } from './policy.ts';
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
  const none = { held: { role: undefined, until: null, isLocked }, lapses: undefined };
  const entry = findAgent(input.registry, agent);
  if (entry === undefined || !allowsAgent(who, agent)) return none;
  const named = instance === '*' ? (entry.instances?.[0] ?? instance) : instance;
  const transport = entry.transport === 'sse' ? 'http' : 'websocket';
  const decision = decide(who, { agent, instance: named, transport }, { ...input, revocations: [] });
  if (!decision.allowed) return none;
  if (decision.claim !== undefined) return { ...none, lapses: decision.claim.lapses };
  const grant = input.grants.find(({ id }) => id === decision.grant);
  return { held: { role: decision.role, until: grant?.expiresAt ?? null, isLocked }, lapses: undefined };
}
