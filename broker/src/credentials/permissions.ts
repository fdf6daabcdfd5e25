import { AGENTS } from '@agent-ticket/shared/agents.ts';
import { err, type Outcome } from '@agent-ticket/shared/outcome.ts';
import * as z from 'zod';

/** What one broker API call needs. Held by principals through service tokens and claim rules, never in a ticket. */
export const PERMISSIONS = [
  'keys:read',
  'keys:rotate',
  'keys:revoke',
  'service-tokens:read',
  'service-tokens:write',
  'grants:read',
  'grants:write',
  'locks:read',
  'locks:write',
  'sessions:read',
  'sessions:terminate',
  'audit:read',
  'explain:any',
] as const;
export type Permission = (typeof PERMISSIONS)[number];

/** Refuses a caller without a permission, by its name: whoever calls the operator's API may know what it needs. */
export const permissionMissing = (permission: Permission, alternative = ''): Outcome<never> =>
  err('permission_missing', { detail: permission, hint: `needs the permission ${permission}${alternative}` });

/** Permissions that agents of the registry ask of services, beside those of the API. */
export const AGENT_PERMISSIONS: readonly string[] = AGENTS.flatMap((entry) => [...entry.requiredScopes]);

/** A permission that means something here. A misspelled one would give nothing, silently. */
export const KnownPermission = z
  .string()
  .refine((name) => [...PERMISSIONS, ...AGENT_PERMISSIONS].includes(name), 'is not a permission');
