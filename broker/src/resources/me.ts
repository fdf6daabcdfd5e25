import { ok } from '@agent-ticket/shared/outcome.ts';
import * as z from 'zod';
import { iso } from '../http/iso.ts';
import { callerTargets } from '../mint/policy-input.ts';
import type { Handler } from '../runtime/call.ts';

/** `optional=true`: 204 in place of 401 for a caller without a credential. */
export const MeQuery = z.object({ optional: z.string().optional() });

/** `GET /me`: the caller as the broker sees it, the origin of each right, and whether a lock prevents their use. */
export const showPrincipal: Handler = async ({ who, now, ports }) => {
  const { revocations } = await ports.control.readCaller(who.principal.id, callerTargets(who), now);
  const { id, kind, issuer, email, groups, tier, permissions, sources } = who.principal;
  const body = {
    principal: id,
    kind,
    issuer,
    ...(email === undefined ? {} : { email }),
    method: who.method,
    tier,
    permissions,
    groups,
    agents: who.agents ?? null,
    locked: revocations.length > 0,
    expires_at: iso(who.expiresAt === undefined ? null : who.expiresAt * 1000),
    sources,
  };
  return ok({ status: 200, body });
};
