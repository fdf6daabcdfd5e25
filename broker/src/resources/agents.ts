import type { FoundPage } from '@agent-ticket/drizzle/database.ts';
import { CREDENTIAL_MIN_LEFT_SECONDS } from '@agent-ticket/shared/limits.ts';
import { ROLES, type Role } from '@agent-ticket/shared/names.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { type AgentEntry, usualTransport } from '@agent-ticket/shared/registry.ts';
import { targetNamesOfInstance } from '@agent-ticket/shared/target.ts';
import { workerOf } from '../config/workers.ts';
import { allowsAgent } from '../credentials/principal.ts';
import { decide, type PolicyInput } from '../mint/policy.ts';
import { callerTargets, questionOf } from '../mint/policy-input.ts';
import type { Call, Handler } from '../runtime/call.ts';
import type { BrokerPorts } from '../runtime/ports.ts';

/** Refuses slugs that the registry does not have. Those that it has are named as far as the credential is good for them. */
export function checkAgents(
  slugs: readonly string[],
  field: string,
  { who, ports }: Pick<Call, 'who' | 'ports'>,
): Outcome<undefined> {
  const known = ports.registry.map(({ slug }) => slug);
  if (slugs.every((slug) => known.includes(slug))) return ok(undefined);
  const named = known.filter((slug) => allowsAgent(who, slug));
  const hint = named.length === 0 ? 'the registry has no such agent' : `agents are: ${named.join(', ')}`;
  return err('field_invalid', { field, hint });
}

/**
 * The same for the filter of a list without results: an empty list would look like the list of an agent without rows.
 * Rows of an agent that is no longer in the registry are listed.
 */
export const checkFilter = (
  agent: string | undefined,
  { rows, stoppedAt }: FoundPage<unknown, unknown>,
  call: Pick<Call, 'who' | 'ports'>,
): Outcome<undefined> =>
  agent === undefined || rows.length > 0 || stoppedAt !== undefined
    ? ok(undefined)
    : checkAgents([agent], 'agent', call);

/** An instance that no row names; no valid instance name. */
const ANY_OTHER = '';

/**
 * `GET /api/agents`: those for which the caller would get a ticket, with the best role that it has on any instance. The
 * work grows with the agents of the registry, not with the caller's grants.
 */
export const listAgents: Handler = async (call) => {
  const inputs = await readInputs(call);
  const items = call.ports.registry.flatMap((entry) => {
    const transport = usualTransport(entry);
    const allowed = (inputs.get(entry.slug) ?? [])
      .map(({ instance, input }) => decide(call.who, { agent: entry.slug, instance, transport }, input))
      .filter((decision) => decision.allowed);
    const held = allowed.filter(({ claim }) => claim === undefined).map(({ role }) => role);
    // The owner that the caller could become by asking counts where it has no role yet.
    const role = ROLES.findLast((each) => held.includes(each)) ?? allowed[0]?.role;
    return role === undefined ? [] : [view(entry, role, call.ports)];
  });
  return ok({ status: 200, body: { items, next_cursor: null } });
};

interface InstanceInput {
  readonly instance: string;
  readonly input: PolicyInput;
}

/**
 * By agent, the input of a decision for each instance where it may differ: listed instances, instances with a grant that
 * counts, and one that stands for all others.
 */
async function readInputs({ who, now, ports }: Call): Promise<Map<string, InstanceInput[]>> {
  const { registry, keyring, control } = ports;
  const signer = await keyring.signer(now);
  const ofCaller = callerTargets(who, signer.ok ? signer.value.row.kid : undefined);
  const listed = registry.flatMap(({ slug: agent, instances = [ANY_OTHER] }) =>
    instances.flatMap((instance) => targetNamesOfInstance({ agent, instance })),
  );
  const rows = await control.readAgentRights({
    ...questionOf(who, now, ports),
    agents: registry.map(({ slug, instances }) => ({ slug, instances })),
    targets: [...new Set([...ofCaller, ...listed])],
    lastsUntil: (Math.floor(now / 1000) + CREDENTIAL_MIN_LEFT_SECONDS) * 1000,
  });
  const grantsOn = groupBy(rows.grants, ({ agentSlug }) => agentSlug);
  const revocationsOn = groupBy(rows.revocations, ({ target }) => target);
  return new Map(
    registry.map(({ slug: agent, instances }) => {
      const byInstance = groupBy(grantsOn.get(agent) ?? [], ({ instanceId }) => instanceId);
      const everywhere = byInstance.get('*') ?? [];
      const names = new Set(instances ?? [ANY_OTHER, ...byInstance.keys()]);
      names.delete('*');
      const inputs = [...names].map((instance) => {
        const targets = [...ofCaller, ...targetNamesOfInstance({ agent, instance })];
        const revocations = targets.flatMap((target) => revocationsOn.get(target) ?? []);
        const grants = [...everywhere, ...(byInstance.get(instance) ?? [])];
        return { instance, input: { ...rows, registry, now, owners: [], grants, revocations } };
      });
      return [agent, inputs];
    }),
  );
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group === undefined) groups.set(keyOf(item), [item]);
    else group.push(item);
  }
  return groups;
}

const view = (entry: AgentEntry, role: Role, ports: BrokerPorts) => ({
  agent: entry.slug,
  display_name: entry.displayName,
  description: entry.description,
  access: entry.access,
  transport: entry.transport,
  instances: entry.instances ?? null,
  url: new URL(`/agents/${entry.slug}`, workerOf(entry.slug, ports).url).href,
  role,
});
