import { InstanceName } from '@agent-ticket/shared/names.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { type AgentEntry, type AgentRegistry, findAgent } from '@agent-ticket/shared/registry.ts';
import { READS, ROUTES } from '../routes.ts';

export interface Route {
  readonly entry: AgentEntry;
  readonly instance: InstanceName;
}

/** A path as logs have it. */
export const pathPattern = (pathname: string): string =>
  pathname.split('/').length > 4 ? '/agents/:agent/:instance/*' : '/agents/:agent/:instance';

/** Whether a plain request may change something: it needs the scope for that, and may have a body. */
export const isWrite = (method: string): boolean => !READS.includes(method);

/**
 * Reads `/agents/<slug>/<instance>[/...]` from the raw path: segments are compared as they came, never decoded, and
 * an empty segment is part of a name like any other character, so that no second spelling reaches an object.
 * In order: slug 404, sub-agent path 404, method 405, instance 400.
 */
export function parseRoute(
  pathname: string,
  { method, isUpgrade }: { readonly method: string; readonly isUpgrade: boolean },
  registry: AgentRegistry,
): Outcome<Route> {
  const [, , slug = '', instance = '', ...rest] = pathname.split('/');
  const entry = findAgent(registry, slug);
  if (entry === undefined) return err('agent_unknown');
  if (instance === 'sub') return err('agent_unknown');
  if (rest.some(isSubMarker) && !reachesListedSubAgent(rest, entry)) return err('agent_unknown');
  const allow: readonly string[] = isUpgrade ? ['GET'] : ROUTES.agent.methods;
  if (!allow.includes(method)) return err('method_not_allowed', { allow });
  const name = InstanceName.safeParse(instance);
  if (!name.success) return err('instance_invalid', { field: 'instance' });
  if (entry.instances !== undefined && !entry.instances.includes(name.data)) return err('instance_unlisted');
  return ok({ entry, instance: name.data });
}

/** The SDK drops empty segments and matches its marker in what is left; encoded spellings are refused as well. */
const isSubMarker = (segment: string): boolean => /^(s|%73)(u|%75)(b|%62)$/i.test(segment);

/** `/sub/<class>/<name>` right behind the instance, with a listed class, and nowhere again. */
function reachesListedSubAgent(rest: readonly string[], entry: AgentEntry): boolean {
  const [marker, slug = '', name = '', ...deeper] = rest;
  return (
    marker === 'sub' &&
    (entry.subAgents ?? []).includes(slug) &&
    InstanceName.safeParse(name).success &&
    !deeper.some(isSubMarker)
  );
}
