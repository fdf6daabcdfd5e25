import { ask } from './api.ts';
import { useLoaded } from './load.ts';

/** Slugs of the agents that the person may use, as choices of a field. There may be other agents. */
export function useAgents(): readonly string[] {
  const { value } = useLoaded('agents', (signal) => ask('GET', '/api/agents', { signal }));
  return value?.items.map(({ agent }) => agent) ?? [];
}
