import { ROLES, type Role } from '@agent-ticket/shared/names.ts';
import { ok } from '@agent-ticket/shared/outcome.ts';
import type { AgentEntry } from '@agent-ticket/shared/registry.ts';
import type { Authenticated } from '../credentials/principal.ts';
import type { Handler } from '../http/call.ts';
import { mayClaim } from '../mint/first-user.ts';
import { decide } from '../mint/policy.ts';
import { type Facts, placesOf, readFacts } from '../mint/policy-input.ts';
import type { BrokerPorts } from '../runtime/ports.ts';

/** `GET /api/agents`: those for which the caller would get a ticket, with the best role that it has on any instance. */
export const listAgents =
  (ports: BrokerPorts): Handler =>
  async ({ who, now }) => {
    const facts = await readFacts(who, 'everywhere', now, ports);
    const items = ports.registry.flatMap((entry) => {
      const role = usableAs(who, entry, facts);
      return role === undefined ? [] : [view(entry, role)];
    });
    return { outcome: ok({ status: 200, body: { items, next_cursor: null } }) };
  };

/** The best role that decisions give; where they give none, the owner's, if the caller may be a first user. */
function usableAs(who: Authenticated, entry: AgentEntry, facts: Facts): Role | undefined {
  const transport = entry.transport === 'sse' ? 'http' : 'websocket';
  const decisions = placesOf([entry], facts.grants).map((place) =>
    decide(who, { ...place, transport }, facts.at(place)),
  );
  const best = ROLES.findLast((role) => decisions.some((each) => each.allowed && each.role === role));
  const free = decisions.some((each) => !each.allowed && each.reason === 'grant_missing');
  return best ?? (free && mayClaim(who, entry.slug, [entry]) ? 'owner' : undefined);
}

const view = (entry: AgentEntry, role: Role) => ({
  agent: entry.slug,
  display_name: entry.displayName,
  description: entry.description,
  access: entry.access,
  transport: entry.transport,
  instances: entry.instances ?? null,
  role,
});
