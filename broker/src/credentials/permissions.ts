import { err, type Outcome } from '@agent-ticket/shared/outcome.ts';
import type { AgentRegistry } from '@agent-ticket/shared/registry.ts';
import { type Authenticated, allowsAgent } from './principal.ts';

/** What one broker API call needs. Held by principals through service tokens and claim rules, never in a ticket. */
export const PERMISSIONS = [
  'keys:read',
  'keys:rotate',
  'keys:revoke',
  'service-tokens:read',
  'service-tokens:write',
  'grants:read',
  'grants:write',
  'instances:delete',
  'locks:read',
  'locks:write',
  'sessions:read',
  'sessions:terminate',
  'principals:forget',
  'audit:read',
  'audit:accept',
  'webhooks:write',
  'metrics:read',
  'tickets:read',
  'tickets:revoke',
  'explain:any',
] as const;
export type Permission = (typeof PERMISSIONS)[number];

/** Whether a caller holds a permission, by a credential that is good for the agent. */
export const isPermittedOn = (
  agent: string | undefined,
  permission: Permission,
  who: Pick<Authenticated, 'agents' | 'principal'>,
): boolean => allowsAgent(who, agent) && who.principal.permissions.includes(permission);

/** Refuses a caller without a permission, by its name: whoever calls the operator's API may know what it needs. */
export const permissionMissing = (permission: Permission, alternative = ''): Outcome<never> =>
  err('permission_missing', { detail: permission, hint: `needs the permission ${permission}${alternative}` });

/** Every permission that means something: those of the API, and those that agents of the registry ask of services. */
export const knownPermissions = (registry: AgentRegistry): readonly string[] => [
  ...new Set([...PERMISSIONS, ...registry.flatMap((entry) => entry.requiredScopes)]),
];
