import { CallName, type InstanceName } from './names.ts';
import { covers, Scope } from './scope.ts';

/**
 * A request that reaches an agent without a ticket: a webhook, or the redirect of an OAuth provider. It comes with a
 * token of the agent's making, or the app verifies it.
 */
export interface AgentCallback {
  /** kebab-case; the agent sees the caller as `callback:<name>`. */
  readonly name: string;
  /** The methods that it may have. */
  readonly methods: readonly string[];
  /** The path below `/agents/<slug>/<instance>/`, compared as it comes. */
  readonly path: string;
  /** Requests per minute that reach one instance, and as many that are refused of one address. */
  readonly limit: number;
}

/** A name under which the worker's own code calls an agent, and the rights that the call then has. */
export interface WorkerCall {
  /** kebab-case; the agent sees the caller as `worker:<name>`. */
  readonly name: string;
  /** At most those of the role admin. */
  readonly scopes: readonly string[];
}

/**
 * The callback to which MCP servers with OAuth send the browser back, for agents that add such servers. Its proof is the
 * `state` of the flow.
 */
export const MCP_OAUTH = 'mcp-oauth';

/** The gate answers OPTIONS itself, and HEAD has no use for a sender of messages. */
const CALLBACK_METHODS: readonly string[] = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'];

/**
 * One way to write a path: no escapes and no dots alone, which a URL parser resolves (WHATWG URL §4.4), and no empty
 * segment.
 */
const PATH = /^(?!.*(^|\/)\.{1,2}(\/|$))[A-Za-z0-9_.~-]+(\/[A-Za-z0-9_.~-]+)*$/;
const PATH_CHARACTERS = 256;

const isPath = (path: string): boolean =>
  path.length <= PATH_CHARACTERS &&
  PATH.test(path) &&
  // The SDK's marker for sub-agents.
  !path.split('/').some((segment) => segment.toLowerCase() === 'sub');

const twice = (values: readonly string[]): string[] => [
  ...new Set(values.filter((value, index) => values.indexOf(value) !== index)),
];

/** Faults of the callbacks of one agent, a sentence for each. */
export function callbackFaults(callbacks: readonly AgentCallback[]): string[] {
  return [
    ...twice(callbacks.map(({ name }) => name)).map((name) => `callback ${name} is there more than once`),
    ...twice(callbacks.map(({ path }) => path)).map(
      (path) => `path ${path} is that of more than one callback`,
    ),
    ...callbacks.flatMap(({ name, methods, path, limit }) => {
      const other = methods.filter((method) => !CALLBACK_METHODS.includes(method));
      const rules: [boolean, string][] = [
        [CallName.safeParse(name).success, 'name is not kebab-case'],
        [methods.length > 0, 'no methods'],
        [name !== MCP_OAUTH || methods.join() === 'GET', 'a redirect is a GET'],
        [other.length === 0, `methods that a callback cannot have: ${other.join(' ')}`],
        [isPath(path), `path ${path} is not plain segments`],
        [Number.isSafeInteger(limit) && limit >= 1, 'limit is not whole and positive'],
      ];
      return rules.filter(([holds]) => !holds).map(([, fault]) => `callback ${name}: ${fault}`);
    }),
  ];
}

/**
 * Faults of the worker's own calls of one agent, a sentence for each.
 *
 * @param most the scopes of the role admin: no code of the worker acts as an owner.
 */
export function workerCallFaults(calls: readonly WorkerCall[], most: readonly Scope[]): string[] {
  return [
    ...twice(calls.map(({ name }) => name)).map((name) => `call ${name} is there more than once`),
    ...calls.flatMap(({ name, scopes }) => {
      const known = scopes.flatMap((text) => Scope.safeParse(text).data ?? []);
      const rules: [boolean, string][] = [
        [CallName.safeParse(name).success, 'name is not kebab-case'],
        [scopes.length > 0, 'no scopes'],
        [known.length === scopes.length, 'unknown scopes'],
        [known.every((scope) => covers(most, scope)), 'may do more than the role admin'],
      ];
      return rules.filter(([holds]) => !holds).map(([, fault]) => `call ${name}: ${fault}`);
    }),
  ];
}

/** Finds the callback of a path: the rest of `/agents/<slug>/<instance>/<path>`, segments as they came. */
export const findCallback = (
  callbacks: readonly AgentCallback[] | undefined,
  pathname: string,
): AgentCallback | undefined => {
  const path = pathname.split('/').slice(4).join('/');
  return callbacks?.find((callback) => callback.path === path);
};

/** The path of a callback of an instance. */
export const callbackPath = (agent: string, instance: InstanceName, { path }: AgentCallback): string =>
  `/agents/${agent}/${instance}/${path}`;
