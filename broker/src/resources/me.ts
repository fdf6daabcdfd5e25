import { ok } from '@agent-ticket/shared/outcome.ts';
import { iso } from '../http/iso.ts';
import type { Handler } from '../runtime/call.ts';

/** `GET /me`: the caller as the broker sees it, and what each right comes from. */
export const showPrincipal: Handler = async ({ who }) => {
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
    expires_at: iso(who.expiresAt === undefined ? null : who.expiresAt * 1000),
    sources,
  };
  return ok({ status: 200, body });
};
