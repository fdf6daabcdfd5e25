import type { GrantRow, LockRow } from '@agent-ticket/drizzle/control/policy.ts';
import { defineAgent } from '@agent-ticket/shared/define-agent.ts';
import type { DenialReason } from '@agent-ticket/shared/denial.ts';
import { PrincipalId, type Role } from '@agent-ticket/shared/names.ts';
import type { AgentEntry } from '@agent-ticket/shared/registry.ts';
import { Scope } from '@agent-ticket/shared/scope.ts';
import { type Authenticated, type Principal, plainPrincipal } from '../src/credentials/principal.ts';
import { type DecisionRequest, decide, type PolicyFacts } from '../src/mint/policy.ts';

/** What the policy decides about, one good case of each, with some members replaced. Times in seconds. */

export const NOW = 1_700_000_000;

export const entryWith = ({ slug = 'board', ...other }: Partial<AgentEntry> = {}): AgentEntry =>
  defineAgent(slug, {
    access: 'viewer',
    scopes: {
      viewer: ['agent:connect', 'agent:state:read'],
      admin: ['agent:connect', 'agent:state:read', 'agent:state:write', 'agent:rpc:add'],
      owner: ['agent:connect', 'agent:state:read', 'agent:state:write', 'agent:message', 'agent:rpc:*'],
    },
    ...other,
  });

export const whoWith = (
  other: Omit<Partial<Authenticated>, 'principal'> = {},
  principal: Partial<Principal> = {},
): Authenticated => ({
  method: 'service-token',
  ...other,
  principal: {
    ...plainPrincipal({ id: PrincipalId.parse('token:1'), kind: 'service', issuer: 'broker' }),
    ...principal,
  },
});

export const user = (other: Omit<Partial<Authenticated>, 'principal'> = {}): Authenticated =>
  whoWith({ method: 'access', ...other }, { id: PrincipalId.parse('access:team:user:1'), kind: 'user' });

export const stranger: Authenticated = whoWith(
  { method: 'anonymous' },
  { id: PrincipalId.parse('anonymous:1'), kind: 'user' },
);

export const requestWith = (other: Partial<DecisionRequest> = {}): DecisionRequest => ({
  agent: 'board',
  instance: 'main',
  transport: 'websocket',
  ...other,
});

/** A grant that ends so many seconds after {@link NOW}; left out: never. */
export const grantOf = (role: Role, endsIn?: number): GrantRow => ({
  id: `grant-${role}-${endsIn}`,
  subject: 'token:1',
  agentSlug: 'board',
  instanceId: '*',
  role,
  reason: 'test',
  createdBy: 'test',
  createdAt: 0,
  expiresAt: endsIn === undefined ? null : (NOW + endsIn) * 1000,
  claimed: false,
  openedAt: null,
  deletedAt: null,
});

export const LOCK: LockRow = {
  id: 'lock',
  target: 'everything:',
  reason: 'test',
  createdBy: 'test',
  createdAt: 0,
  expiresAt: null,
  liftedAt: null,
};

/** One question to the policy; what is left out is good. */
export interface Case {
  readonly who?: Authenticated;
  readonly entry?: Partial<AgentEntry>;
  readonly request?: Partial<DecisionRequest>;
  readonly facts?: Partial<PolicyFacts>;
}

export const decideCase = ({ who = whoWith(), entry = {}, request = {}, facts = {} }: Case) =>
  decide(who, requestWith(request), {
    registry: [entryWith(entry)],
    grants: [],
    locks: [],
    nowSeconds: NOW,
    ...facts,
  });

/** One word for a decision: the role, or the reason against it. */
export const verdict = (c: Case): Role | DenialReason => {
  const decision = decideCase(c);
  return decision.allowed ? decision.role : decision.reason;
};

export const scopes = (...names: string[]): Scope[] => names.map((name) => Scope.parse(name));
