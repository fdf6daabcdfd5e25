import { waitUntil, env as workerEnv } from 'cloudflare:workers';
import { STATEMENT_DEADLINE_MS } from '@agent-ticket/drizzle/deadline.ts';
import { openRecord } from '@agent-ticket/drizzle/record/open-d1.ts';
import { measureByPoints } from '@agent-ticket/shared/metrics.ts';
import { InstanceName } from '@agent-ticket/shared/names.ts';
import { createRefusalTally } from '@agent-ticket/shared/refusal-tally.ts';
import {
  type AgentRegistry,
  agentsOf,
  type BindingKey,
  bindingNamesOf,
  type ClassBinding,
  DEFAULT_WORKER,
  type EnabledSlug,
  lacksBinding,
  noBinding,
  requireSound,
} from '@agent-ticket/shared/registry.ts';
import { logWithPoints, type PointSink } from '@agent-ticket/shared/security-events.ts';
import { answerControl, type ControlPorts } from './control.ts';
import { refuseHttp } from './gate/answer.ts';
import type { CallbackPorts, VerifyCallback } from './gate/callback.ts';
import { paceLog, paceMeasure } from './gate/pace.ts';
import { answerMetadataRequest } from './gate/resource-metadata.ts';
import { asWorker } from './gate/worker-call.ts';
import { answerAgentRequest, type GatePorts } from './gate.ts';
import { findObject, questionRequest, SessionAnswer, sendCommand } from './handover.ts';
import { knownAgentOf, noteGate, requireCallbacks } from './known-agents.ts';
import { checkRevokedOf, type RevocationEnv } from './revocations.ts';
import { type GateRouteName, routeAt } from './routes.ts';
import { createRates, GATE_BUCKETS } from './ticketed/limits.ts';
import { verifierOf } from './verifier.ts';

/** What the gate needs of a Worker's env, beside its settings and the agents' bindings. */
export interface GateEnv extends RevocationEnv {
  /** The broker, where it is bound; otherwise its keys come over HTTPS. */
  readonly BROKER?: Fetcher | undefined;
  /** Analytics Engine, where it is bound. */
  readonly SECURITY_EVENTS?: PointSink | undefined;
  /** Analytics Engine for the series of metrics, where it is bound. */
  readonly METRICS?: PointSink | undefined;
}

/**
 * Of the members of an env those that bind agents: the compiler asks for one of the two names of each slug, and for
 * `CHAT_AGENT` where there is neither.
 */
export type AgentBindings<Env, Slug extends string> = {
  readonly [Each in Slug as ClassBinding<Each> extends keyof Env
    ? ClassBinding<Each>
    : BindingKey<Each>]: DurableObjectNamespace;
};

type Ports = GatePorts & ControlPorts;

const ANSWERS: Readonly<Record<GateRouteName, (request: Request, ports: Ports) => Promise<Response>>> = {
  agent: answerAgentRequest,
  control: answerControl,
  metadata: answerMetadataRequest,
};

/** Which of several agent workers a gate is. */
export interface GateOptions<Worker extends string, Env = unknown> {
  /** Its name in the registry. Left out: that of the agents that name no worker. */
  readonly worker?: Worker;
  /** The app's verification by name of a callback. A callback without one takes the tokens of `callbackUrl`. */
  readonly verifyCallback?: Readonly<Record<string, VerifyCallback<Env>>>;
}

/**
 * The gate for a Worker's `fetch`: answers `/agents/…`, `/control` and the metadata of agents for machines, and `undefined`
 * for everything else, which is the Worker's own. Throws an `Error` at the first request where the settings or the registry
 * are not sound. An enabled agent without a binding is then named in the log as `agent_without_binding`, and answers 500;
 * the others work. Agents of other workers are unknown here.
 *
 * An object behind the gate must be reachable by no other path: drop `routeAgentRequest` for it.
 */
export function createGate<
  const Registry extends AgentRegistry,
  const Worker extends Registry[number]['worker'] = typeof DEFAULT_WORKER,
  VerifyEnv = unknown,
>(
  registry: Registry,
  {
    worker = DEFAULT_WORKER,
    verifyCallback = {},
  }: GateOptions<Worker | typeof DEFAULT_WORKER, VerifyEnv> = {},
) {
  const portsByEnv = new WeakMap<object, Ports>();
  const verifiers = Object.entries(verifyCallback);
  function openPorts(env: GateEnv & VerifyEnv & object): Ports {
    const verify: CallbackPorts['verifiers'] = new Map(
      verifiers.map(([name, by]) => [name, (callback) => by({ ...callback, env })]),
    );
    const ports = portsOf(registry, worker, env, verify);
    requireCallbacks(ports.registry, [...verify.keys()], ports.config);
    portsByEnv.set(env, ports);
    return ports;
  }
  noteGate({
    agents: agentsOf(registry, worker),
    verified: verifiers.map(([name]) => name),
    ask: askInOwnEnv(registry, worker),
  });
  return <Env extends GateEnv>(
    request: Request,
    env: Env & VerifyEnv & AgentBindings<Env, EnabledSlug<Registry, Worker>>,
  ): Promise<Response> | undefined => {
    // `GET *` has a URL that is none (RFC 9112 §3.2.4). The local runtime's router of assets fails on it before this.
    if (!URL.canParse(request.url))
      return Promise.resolve(refuseHttp({ reason: 'route_unknown' }, crypto.randomUUID()));
    const { pathname } = new URL(request.url);
    const route = routeAt(pathname);
    return route === undefined ? undefined : ANSWERS[route](request, portsByEnv.get(env) ?? openPorts(env));
  };
}

/** Answers requests of the worker's own code, which has no env at hand. */
function askInOwnEnv(registry: AgentRegistry, worker: string): (request: Request) => Promise<Response> {
  let ports: Ports | undefined;
  return (request) => {
    ports ??= portsOf(registry, worker, workerEnv, new Map());
    return answerAgentRequest(request, ports);
  };
}

function portsOf(
  agents: AgentRegistry,
  worker: string,
  env: GateEnv & object,
  verifiers: CallbackPorts['verifiers'],
): Ports {
  requireSound(agents);
  const registry = agentsOf(agents, worker);
  // A name that is misspelt would be a worker in which every agent is unknown.
  if (registry.length === 0) throw new Error(`no agent of the registry is of the worker ${worker}`);
  const verifier = verifierOf(env);
  const record = openRecord(env.RECORD);
  // A request waits for the answer of this one.
  const timed = openRecord(env.RECORD, STATEMENT_DEADLINE_MS);
  const clock = () => Date.now();
  const print = logWithPoints((event) => console.log(JSON.stringify(event)), env.SECURITY_EVENTS);
  const bindings = Object.keys(env);
  for (const entry of registry)
    if (lacksBinding(entry, bindings))
      print({ event: 'agent_without_binding', agent: entry.slug, bindings: bindingNamesOf(entry.slug) });
  return {
    ...verifier,
    registry,
    destination: ({ entry, instance }) => {
      const stub = findObject(env, entry.slug, instance);
      if (stub === undefined) throw new Error(noBinding(entry.slug));
      return stub;
    },
    record,
    command: (agent, instance, command) => sendCommand(env, agent, instance, command),
    checkRevoked: checkRevokedOf(env),
    listRevoked: (names) => timed.revocations.ofTargets(names, clock()),
    callbacks: { tokens: verifier.callbackTokens, verifiers, rates: createRates(GATE_BUCKETS) },
    keepAlive: waitUntil,
    sleep: (ms, signal) => scheduler.wait(ms, { signal }).catch(() => {}),
    listSessions: async (agent, instance, question) => {
      const answer = await findObject(env, agent, instance)?.fetch(questionRequest(question));
      return answer === undefined ? { open: [], ended: [] } : SessionAnswer.parse(await answer.json());
    },
    random: () => Math.random(),
    randomId: () => crypto.randomUUID(),
    clock,
    tally: createRefusalTally(print),
    log: paceLog(print, clock),
    measure: paceMeasure(measureByPoints(env.METRICS), clock),
  };
}

/** An agent's instance for the worker's own code. */
export interface TicketedAgent {
  /** Asks the agent. The path is that below the instance: `/notes` is `/agents/<slug>/<instance>/notes`. */
  fetch(input: string | Request, init?: RequestInit): Promise<Response>;
}

/**
 * An instance of an agent for the worker's own code, which needs no ticket. It is like the SDK's `getAgentByName`, but calls
 * have the scopes that the registry gives the name `as` in `workerCalls`, locks hold, and each call is in the audit log.
 * Only requests go this way: native RPC on a stub bypasses the gate.
 *
 * Throws a `TypeError` for a namespace of no agent of {@link createGate}, and for a name that no instance can have.
 */
export function getTicketedAgent(
  namespace: Pick<DurableObjectNamespace, 'idFromName'>,
  name: string,
  { as }: { readonly as: string },
): TicketedAgent {
  const instance = InstanceName.safeParse(name);
  if (!instance.success) throw new TypeError('no name of an instance');
  const agent = knownAgentOf(workerEnv, namespace.idFromName(name), name);
  if (agent === undefined) throw new TypeError('no agent of a gate has this binding');
  const at = `/agents/${agent.entry.slug}/${instance.data}`;
  return {
    fetch(input, init) {
      const given = new Request(typeof input === 'string' ? new URL(input, OWN_ORIGIN) : input, init);
      const { pathname, search } = new URL(given.url);
      const url = `${OWN_ORIGIN}${at}${pathname === '/' ? '' : pathname}${search}`;
      return agent.ask(asWorker(new Request(url, given), as));
    },
  };
}

/** The origin of requests that never leave the worker. */
const OWN_ORIGIN = 'https://agent.invalid';
