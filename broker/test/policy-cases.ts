import type { RevocationRow } from '@agent-ticket/drizzle/control/change.ts';
import type { GrantRow } from '@agent-ticket/drizzle/control/policy.ts';
import type { DenialReason } from '@agent-ticket/shared/denial.ts';
import { PrincipalId, type Role } from '@agent-ticket/shared/names.ts';
import { type AgentEntry, withDefaults } from '@agent-ticket/shared/registry.ts';
import { Scope } from '@agent-ticket/shared/scope.ts';
import { type Authenticated, type Principal, plainPrincipal } from '../src/credentials/principal.ts';
import { decide, type PolicyInput } from '../src/mint/policy.ts';

/** One good case of everything that the policy decides about, with some members replaced. Times in seconds. */

export const NOW = 1_700_000_000;

export const entryWith = ({ slug = 'board', ...other }: Partial<AgentEntry> = {}): AgentEntry =>
  withDefaults({
    slug,
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

export const anonymous: Authenticated = whoWith(
  { method: 'anonymous' },
  { id: PrincipalId.parse('anonymous:1'), kind: 'user' },
);

type DecisionRequest = Parameters<typeof decide>[1];

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

/** The claim of a first user, made so many seconds before {@link NOW}. */
export const claimOf = (subject: string, madeAgo: number, other: Partial<GrantRow> = {}): GrantRow => ({
  ...grantOf('owner'),
  id: `claim-${subject}`,
  subject,
  instanceId: 'main',
  createdAt: (NOW - madeAgo) * 1000,
  claimed: true,
  ...other,
});

export const LOCK: RevocationRow = {
  id: 'lock',
  rev: 1,
  target: 'everything:',
  kind: 'any',
  until: null,
  code: 'locked',
  reason: 'test',
  createdBy: 'test',
  createdAt: 0,
};

/** One question to the policy; what is left out is good. */
export interface Case {
  readonly who?: Authenticated;
  readonly entry?: Partial<AgentEntry>;
  readonly request?: Partial<DecisionRequest>;
  readonly input?: Partial<PolicyInput>;
}

export const inputWith = (other: Partial<PolicyInput> = {}): PolicyInput => ({
  registry: [entryWith()],
  grants: [],
  revocations: [],
  signedOut: undefined,
  owners: [],
  claims: 0,
  now: NOW * 1000,
  ...other,
});

export const decideCase = ({ who = whoWith(), entry = {}, request = {}, input = {} }: Case) =>
  decide(who, requestWith(request), inputWith({ registry: [entryWith(entry)], ...input }));

/** One word for a decision: the role, or the reason against it. */
export const verdict = (c: Case): Role | DenialReason => {
  const decision = decideCase(c);
  return decision.allowed ? decision.role : decision.reason;
};

export const scopes = (...names: string[]): Scope[] => names.map((name) => Scope.parse(name));
