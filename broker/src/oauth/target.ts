import { AgentSlug, InstanceName } from '@agent-ticket/shared/names.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { containsCredential } from '../credentials/secret-in-text.ts';

export interface Target {
  readonly agent: AgentSlug;
  readonly instance: InstanceName;
}

/** The address of an agent instance, the way in which clients name it as an OAuth resource (RFC 8707 §2). */
const resourceOf = (agentWorkerUrl: string, { agent, instance }: Target): string =>
  new URL(`/agents/${agent}/${instance}`, agentWorkerUrl).href;

/**
 * Reads `resource`: the URL of one agent instance of this deployment, as `https` or as `wss`. Compared as text, so
 * that no second spelling (a port, a user, dots, an escape, a query) names the same instance.
 */
export function readTarget(resource: string, agentWorkerUrl: string): Outcome<Target> {
  const [, agent, instance] = /\/agents\/([^/]+)\/([^/]+)$/.exec(resource) ?? [];
  const slug = AgentSlug.safeParse(agent);
  const name = InstanceName.safeParse(instance);
  if (slug.success && name.success && !containsCredential(name.data)) {
    const target = { agent: slug.data, instance: name.data };
    if (resource.replace(/^ws/, 'http') === resourceOf(agentWorkerUrl, target)) return ok(target);
  }
  return err('target_invalid', { hint: 'resource is the URL of an agent instance' });
}
