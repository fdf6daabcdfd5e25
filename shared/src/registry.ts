import { base64url } from 'jose';
import * as z from 'zod';
import { type AgentCallback, callbackFaults, type WorkerCall, workerCallFaults } from './callbacks.ts';
import { DELIVERIES, type Delivery } from './handshake.ts';
import { SESSION_SECONDS } from './limits.ts';
import { AgentSlug, InstanceName, ROLES, type Role, Tier, type Transport, WorkerName } from './names.ts';
import { CONNECT, covers, MESSAGE, RPC_ANY, Scope, STATE_WRITE } from './scope.ts';

/**
 * How an agent lets people in: `public` anyone, signed in or not; `viewer` any principal, read-only, more by grant;
 * `grant` only by a stored grant; `first-user` the first user to ask owns the instance.
 */
export const ACCESS_MODES = ['public', 'viewer', 'grant', 'first-user'] as const;
export type Access = (typeof ACCESS_MODES)[number];

/** What gate and destination object enforce on one agent's callers. */
export interface AgentLimits {
  /** Open sockets of one principal on one instance. */
  readonly socketsPerPrincipal: number;
  /** Inbound frames per second of one socket; plain requests per second of one principal, and in flight at a time. */
  readonly messagesPerSecond: number;
  /** Largest inbound frame, in bytes of UTF-8 or binary. */
  readonly frameBytes: number;
  /** Longest body of a plain request; left out: {@link messageBytes}. */
  readonly bodyBytes?: number;
  /** Seconds without an inbound frame after which a socket is closed; left out: never. */
  readonly idleSeconds?: number;
  /** Longest time that the rights of one ticket last without a renewal, in seconds; left out: {@link SESSION_SECONDS}. */
  readonly sessionSeconds?: number;
  /** Other limits for callers of a tier. Callers without a credential are of the tier `free`. */
  readonly tiers?: Readonly<Partial<Record<Tier, TierLimits>>>;
}

/** The limits that a tier may have for itself; those that it leaves out are those of the agent. */
export type TierLimits = Partial<
  Pick<AgentLimits, 'socketsPerPrincipal' | 'messagesPerSecond' | 'sessionSeconds'>
>;
const TIER_LIMITS: readonly string[] = [
  'socketsPerPrincipal',
  'messagesPerSecond',
  'sessionSeconds',
] satisfies (keyof TierLimits)[];

/** The limits of an agent for callers of a tier. A session has those of the ticket that opened it. */
export function limitsFor({ limits }: Pick<AgentEntry, 'limits'>, tier: Tier): Omit<AgentLimits, 'tiers'> {
  const { tiers, ...ofAll } = limits;
  return { ...ofAll, ...tiers?.[tier] };
}

/**
 * Longest frame and body of an agent that names no limit. A chat sends its transcript with each question, and a picture in
 * it grows by a third; anybody may send to a public agent, and has nothing to send but calls.
 */
export const messageBytes = (access: Access): number => (access === 'public' ? 64 : 4096) * 1024;

/** One agent. The registry is the only place that knows agents: routing, policy and listings derive from it. */
export interface AgentEntry {
  /** Durable Object binding of the agent worker: the slug in UPPER_SNAKE_CASE. {@link bindingNamesOf} has the other one. */
  readonly bindingKey: string;
  /** kebab-case name in `/agents/<slug>/<instance>`. */
  readonly slug: string;
  readonly displayName: string;
  readonly description: string;
  /** Least tier of any principal; `free` means no demand. */
  readonly requiredTier: Tier;
  /** Permissions that service principals must hold as well; users are not asked. */
  readonly requiredScopes: readonly string[];
  /** `false`: answered like an unknown agent, and no binding is needed. */
  readonly enabled: boolean;
  /** The agent worker that has it, by the broker's name for that one; left out: {@link DEFAULT_WORKER}. */
  readonly worker: string;
  /** Main transport: sockets, or plain HTTP with streaming answers. */
  readonly transport: 'websocket' | 'sse';
  readonly access: Access;
  /** The only instances there are; left out: any valid name. */
  readonly instances?: readonly string[];
  /** What each role may do. A label elsewhere, the decision is here. */
  readonly scopes: Readonly<Record<Role, readonly string[]>>;
  /** Ways in which an upgrade may carry its ticket. */
  readonly deliveries: readonly Delivery[];
  /** Slugs of sub-agents that may be reached below `/sub/`; left out: none. */
  readonly subAgents?: readonly string[];
  /** Requests without a ticket that may reach the agent; left out: none. */
  readonly callbacks?: readonly AgentCallback[];
  /** Names under which the worker's own code calls the agent; left out: none. */
  readonly workerCalls?: readonly WorkerCall[];
  readonly limits: AgentLimits;
  /** The broker lets verified principals in that it would refuse, for a time; left out: it enforces. */
  readonly enforce?: Rollout;
}

/**
 * The rollout of an agent's rules: a verified principal without the grant, the tier or the permission gets this role, and
 * the audit event says why it would have been refused. Everything else is enforced. Never an owner.
 */
export interface Rollout {
  readonly role: Exclude<Role, 'owner'>;
  /** RFC 3339, with a zone; no more than {@link ROLLOUT_DAYS} ahead. From then on all is enforced. */
  readonly until: string;
}

const ROLLOUT_DAYS = 30;

/** The rollout of an agent that is in force, with its end in ms. `now` in ms. */
export function rolloutOf(
  { enforce, access }: Pick<AgentEntry, 'enforce' | 'access'>,
  now: number,
): { readonly role: Rollout['role']; readonly until: number } | undefined {
  if (enforce === undefined || access === 'first-user') return undefined;
  const until = Date.parse(enforce.until);
  return until > now && until - now <= ROLLOUT_DAYS * 86_400_000 ? { role: enforce.role, until } : undefined;
}

/** Rollouts that end too late, one sentence each. {@link validateAgentRegistry} knows no time. `now` in ms. */
export const rolloutFaults = (registry: AgentRegistry, now: number): string[] =>
  registry
    .filter(
      ({ enforce }) => enforce !== undefined && Date.parse(enforce.until) - now > ROLLOUT_DAYS * 86_400_000,
    )
    .map(({ slug }) => `${slug}: enforce.until is more than ${ROLLOUT_DAYS} days ahead`);

/** The name that tickets of a rollout have in place of a grant. */
export const rolloutGrant = (slug: string): string => `rollout:${slug}`;

export type AgentRegistry = readonly AgentEntry[];

const ENFORCED_ROLES: readonly string[] = ['viewer', 'admin'] satisfies Rollout['role'][];
const RolloutEnd = z.iso.datetime({ offset: true });

/** Shorter sessions would renew all the time: a renewal is asked for half a minute before the end. */
const LEAST_SESSION_SECONDS = 60;

/** The agent worker of agents that name none: in many deployments the only one. */
export const DEFAULT_WORKER = 'default';

/** What a registry says of one agent. Members and limits that are left out have the defaults of {@link defineAgents}. */
export type AgentOptions = Pick<AgentEntry, 'slug'> &
  Partial<Omit<AgentEntry, 'slug' | 'bindingKey' | 'limits'>> & { readonly limits?: Partial<AgentLimits> };

/** `mcp-agent` → `MCP_AGENT`: the binding of a slug, so that neither can drift from the other. */
export type BindingKey<Slug extends string> = Slug extends `${infer Head}-${infer Rest}`
  ? `${Uppercase<Head>}_${BindingKey<Rest>}`
  : Uppercase<Slug>;

export const bindingKeyOf = (slug: string): string => slug.replaceAll('-', '_').toUpperCase();

/** `mcp-agent` → `McpAgent`: a binding that is called as its class, as in the templates of the Agents SDK. */
export type ClassBinding<Slug extends string> = Slug extends `${infer Head}-${infer Rest}`
  ? `${Capitalize<Head>}${ClassBinding<Rest>}`
  : Capitalize<Slug>;

/** Both names by which the Agents SDK routes to an agent, in the order in which they are looked up. */
export const bindingNamesOf = (slug: string): readonly [string, string] => [
  bindingKeyOf(slug),
  slug.replace(/(?:^|-)(.)/g, (_match, letter: string) => letter.toUpperCase()),
];

/** A registry of which the compiler knows slugs and workers, and so the bindings that each worker must have. */
export type DefinedAgents<Options extends readonly AgentOptions[]> = {
  readonly [Index in keyof Options]: Omit<AgentEntry, 'slug' | 'bindingKey' | 'enabled' | 'worker'> & {
    readonly slug: Options[Index]['slug'];
    readonly bindingKey: BindingKey<Options[Index]['slug']>;
    readonly enabled: Options[Index] extends { readonly enabled: false } ? false : true;
    readonly worker: Options[Index] extends { readonly worker: infer Name extends string }
      ? Name
      : typeof DEFAULT_WORKER;
  };
};

/** The slugs of a worker's enabled agents: it must have a binding for each. */
export type EnabledSlug<
  Registry extends AgentRegistry,
  Worker extends string = typeof DEFAULT_WORKER,
> = Extract<Registry[number], { readonly enabled: true; readonly worker: Worker }>['slug'];

/**
 * The registry that broker and agent workers share: import one module into both, since the broker decides by it and the
 * gate enforces it. The Durable Object binding of the agent `chat-agent` is `CHAT_AGENT` or `ChatAgent`.
 *
 * Defaults: enabled, in the one worker there is, over sockets, for any tier; access by a stored grant only; viewers read
 * state, admins also write state and send messages, owners also call methods and have tools run; a ticket may come in any
 * way; limits for users of a web page, each by itself.
 *
 * Throws an `Error` that names every fault of {@link validateAgentRegistry}. It does not check that bindings exist.
 */
export function defineAgents<const Options extends readonly AgentOptions[]>(
  agents: Options,
): DefinedAgents<Options>;
export function defineAgents(agents: readonly AgentOptions[]): AgentRegistry {
  const registry = agents.map(withDefaults);
  requireSound(registry);
  return registry;
}

const DEFAULT_ACCESS: Access = 'grant';

/** One entry with the defaults of {@link defineAgents}. Not checked. */
export const withDefaults = (options: AgentOptions): AgentEntry => ({
  bindingKey: bindingKeyOf(options.slug),
  displayName: options.slug,
  description: options.slug,
  requiredTier: 'free',
  requiredScopes: [],
  enabled: true,
  worker: DEFAULT_WORKER,
  transport: 'websocket',
  access: DEFAULT_ACCESS,
  scopes: {
    viewer: ['agent:connect', 'agent:state:read'],
    admin: ['agent:connect', 'agent:state:read', 'agent:state:write', 'agent:message'],
    owner: [
      'agent:connect',
      'agent:state:read',
      'agent:state:write',
      'agent:message',
      'agent:rpc:*',
      'agent:tool:*',
    ],
  },
  deliveries: DELIVERIES,
  ...options,
  limits: {
    socketsPerPrincipal: 16,
    messagesPerSecond: 20,
    frameBytes: messageBytes(options.access ?? DEFAULT_ACCESS),
    ...options.limits,
  },
});

/** The entry of an enabled agent. Unknown and disabled answer alike. */
export const findAgent = (registry: AgentRegistry, slug: string): AgentEntry | undefined =>
  registry.find((entry) => entry.slug === slug && entry.enabled);

/** The agents of one worker. */
export const agentsOf = (registry: AgentRegistry, worker: string): AgentRegistry =>
  registry.filter((entry) => entry.worker === worker);

/**
 * A digest of agents, the same on both sides where their entries are. The order of entries and of their members is not
 * part of it, as one registry is a module and another one may be a file.
 */
export async function registryDigest(agents: AgentRegistry): Promise<string> {
  const bySlug = agents.toSorted((one, other) => (one.slug < other.slug ? -1 : 1));
  const text = JSON.stringify(bySlug, (_name, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).toSorted(([one], [other]) => (one < other ? -1 : 1)))
      : value,
  );
  return base64url.encode(
    new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))),
  );
}

/** The transport of a ticket where nobody names one: that which the agent is made for. */
export const usualTransport = (entry: Pick<AgentEntry, 'transport'> | undefined): Transport =>
  entry?.transport === 'sse' ? 'http' : 'websocket';

/** What a role may do with an agent, always with `agent:connect`. */
export function roleScopes(entry: AgentEntry, role: Role): Scope[] {
  const scopes = entry.scopes[role].map((scope) => Scope.parse(scope));
  return [CONNECT, ...scopes.filter((scope) => scope !== CONNECT)];
}

/**
 * Every fault of a registry as one sentence each; empty when it is sound. Run at start-up and in tests.
 *
 * @param bindings names of the Durable Object bindings there are; left out: bindings are not checked.
 */
export function validateAgentRegistry(registry: AgentRegistry, bindings?: readonly string[]): string[] {
  const twice = (pick: (entry: AgentEntry) => string | readonly string[], what: string) =>
    registry
      .flatMap(pick)
      .filter((value, index, all) => all.indexOf(value) !== index)
      .map((value) => `${what} ${value} is used by more than one agent`);
  return [
    ...twice((entry) => entry.slug, 'slug'),
    // An object that two slugs lead to would be under the rights of both.
    ...twice((entry) => [...new Set(bindingNamesOf(entry.slug))], 'binding'),
    ...registry.flatMap((entry) => faults(entry, bindings).map((fault) => `${entry.slug}: ${fault}`)),
  ];
}

/** Throws an `Error` that names every fault of {@link validateAgentRegistry}. Bindings are not checked. */
export function requireSound(registry: AgentRegistry): void {
  const faults = validateAgentRegistry(registry);
  if (faults.length > 0) throw new Error(`agent registry is not sound. ${faults.join('; ')}`);
}

/** Whether a worker with bindings of these names cannot reach an agent that it should. */
export const lacksBinding = (
  { enabled, slug }: Pick<AgentEntry, 'enabled' | 'slug'>,
  bindings: readonly string[],
): boolean => enabled && !bindingNamesOf(slug).some((name) => bindings.includes(name));

/** `no binding CHAT_AGENT or ChatAgent` */
export const noBinding = (slug: string): string => `no binding ${bindingNamesOf(slug).join(' or ')}`;

function faults(entry: AgentEntry, bindings: readonly string[] | undefined): string[] {
  const unknown = ROLES.flatMap((role) => entry.scopes[role]).filter(
    (scope) => !Scope.safeParse(scope).success,
  );
  const badInstances = (entry.instances ?? []).filter((name) => !InstanceName.safeParse(name).success);
  const badSubAgents = (entry.subAgents ?? []).filter((slug) => !AgentSlug.safeParse(slug).success);
  const { tiers = {}, ...ofAll } = entry.limits;
  const ofTiers = Object.entries(tiers).flatMap(([tier, own]) =>
    Object.entries(own).map(([name, value]) => ({ tier, name, value })),
  );
  const numbers = [
    ...Object.entries(ofAll),
    ...ofTiers.map(({ tier, name, value }): [string, number] => [`${tier}.${name}`, value]),
  ];
  const limits = numbers.filter(([, value]) => !Number.isSafeInteger(value) || value < 1);
  const lives = numbers.filter(
    ([name, value]) =>
      name.endsWith('sessionSeconds') && !(value >= LEAST_SESSION_SECONDS && value <= SESSION_SECONDS),
  );
  const odd = [
    ...Object.keys(tiers).filter((tier) => !Tier.safeParse(tier).success),
    ...ofTiers.filter(({ name }) => !TIER_LIMITS.includes(name)).map(({ tier, name }) => `${tier}.${name}`),
  ];
  const rules: [boolean, string][] = [
    [AgentSlug.safeParse(entry.slug).success, 'slug is not kebab-case'],
    [WorkerName.safeParse(entry.worker).success, 'worker is not kebab-case'],
    [entry.bindingKey === bindingKeyOf(entry.slug), `binding should be ${bindingKeyOf(entry.slug)}`],
    [bindings === undefined || !lacksBinding(entry, bindings), noBinding(entry.slug)],
    [unknown.length === 0, `unknown scopes ${unknown.join(' ')}`],
    [badInstances.length === 0, `invalid instances ${badInstances.join(' ')}`],
    [badSubAgents.length === 0, `invalid sub-agents ${badSubAgents.join(' ')}`],
    [
      limits.length === 0,
      `limits that are not whole and positive: ${limits.map(([name]) => name).join(' ')}`,
    ],
    [
      lives.length === 0,
      `sessions shorter than ${LEAST_SESSION_SECONDS} or longer than ${SESSION_SECONDS} s: ${lives.map(([name]) => name).join(' ')}`,
    ],
    [
      entry.enforce === undefined || entry.access !== 'first-user',
      'enforce has no meaning for an agent of first users',
    ],
    [
      entry.enforce === undefined || ENFORCED_ROLES.includes(entry.enforce.role),
      `enforce.role is none of ${ENFORCED_ROLES.join(', ')}`,
    ],
    [
      entry.enforce === undefined || RolloutEnd.safeParse(entry.enforce.until).success,
      'enforce.until is no time with a zone',
    ],
    [odd.length === 0, `unknown tiers or limits of tiers: ${odd.join(' ')}`],
    [
      entry.deliveries.length > 0 && entry.deliveries.every((d) => DELIVERIES.includes(d)),
      'no known delivery',
    ],
  ];
  if (unknown.length === 0) rules.push(...rightsRules(entry));
  return [
    ...rules.filter(([holds]) => !holds).map(([, fault]) => fault),
    ...callbackFaults(entry.callbacks ?? []),
    ...(unknown.length === 0 ? workerCallFaults(entry.workerCalls ?? [], roleScopes(entry, 'admin')) : []),
  ];
}

/** Rules over rights, asked only where every scope is known. */
function rightsRules(entry: AgentEntry): [boolean, string][] {
  const held = {
    viewer: roleScopes(entry, 'viewer'),
    admin: roleScopes(entry, 'admin'),
    owner: roleScopes(entry, 'owner'),
  };
  const writes = [STATE_WRITE, MESSAGE, RPC_ANY].some((scope) => held.viewer.includes(scope));
  const readOnly = entry.access !== 'public' || !writes;
  return [
    [entry.access !== 'public' || (entry.instances?.length ?? 0) > 0, 'a public agent lists its instances'],
    [readOnly, 'a public agent gives anonymous callers no write scope'],
    [held.viewer.every((scope) => covers(held.admin, scope)), 'admin may do less than viewer'],
    [held.admin.every((scope) => covers(held.owner, scope)), 'owner may do less than admin'],
  ];
}
