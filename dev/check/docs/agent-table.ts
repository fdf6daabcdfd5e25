import { AGENTS } from '@agent-ticket/shared/agents.ts';
import { ROLES } from '@agent-ticket/shared/names.ts';
import { type AgentRegistry, roleScopes } from '@agent-ticket/shared/registry.ts';
import { code, table } from './table.ts';

export const scopesPerAgent = (registry: AgentRegistry = AGENTS): string =>
  table(
    ['agent', 'access', ...ROLES],
    registry.map((entry) => [
      entry.enabled ? code(entry.slug) : `${code(entry.slug)} (not enabled)`,
      code(entry.access),
      ...ROLES.map((role) => roleScopes(entry, role).map(code).join(' ')),
    ]),
  );
