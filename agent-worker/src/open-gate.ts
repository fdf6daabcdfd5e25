import { waitUntil } from 'cloudflare:workers';
import { openRecord } from '@agent-ticket/drizzle/record/open-d1.ts';
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
import { answerControl, type ControlPorts, isControlPath } from './control.ts';
import { refuseHttp } from './gate/answer.ts';
import { paceLog } from './gate/paced-log.ts';
import { answerMetadataRequest, isMetadataPath } from './gate/resource-metadata.ts';
import { isAgentPath } from './gate/route.ts';
import { answerAgentRequest, type GatePorts } from './gate.ts';
import { findObject, questionRequest, SessionAnswer, sendCommand } from './handover.ts';
import { checkRevokedOf, type RevocationEnv } from './revocations.ts';
import { verifierOf } from './verifier.ts';

/** What the gate needs of a Worker's env, beside its settings and the agents' bindings. */
export interface GateEnv extends RevocationEnv {
  /** The broker, where it is bound; otherwise its keys come over HTTPS. */
  readonly BROKER?: Fetcher | undefined;
  /** Analytics Engine, where it is bound. */
  readonly SECURITY_EVENTS?: PointSink | undefined;
}

type Ports = GatePorts & ControlPorts;

/**
 * Of the members of an env those that bind agents: the compiler asks for one of the two names of each slug, and for
 * `CHAT_AGENT` where there is neither.
 */
export type AgentBindings<Env, Slug extends string> = {
  readonly [Each in Slug as ClassBinding<Each> extends keyof Env
    ? ClassBinding<Each>
    : BindingKey<Each>]: DurableObjectNamespace;
};

/** What the gate answers, by path. */
const ANSWERS: readonly [
  isOurs: (pathname: string) => boolean,
  answer: (request: Request, ports: Ports) => Promise<Response>,
][] = [
  [isAgentPath, answerAgentRequest],
  [isControlPath, answerControl],
  [isMetadataPath, answerMetadataRequest],
];

/** Which of several agent workers a gate is. */
export interface GateOptions<Worker extends string> {
  /** Its name in the registry. Left out: that of the agents that name no worker. */
  readonly worker?: Worker;
}

/**
 * The gate for a Worker's `fetch`: answers `/agents/…`, `/control` and the metadata of agents for machines, and `undefined`
 * for everything else, which is the Worker's own. Throws an `Error` when the settings or the registry are not sound, at the first request. An enabled
 * agent without a binding is named in the log as `agent_without_binding` then, and answers 500; the others work. Agents of
 * other workers are unknown here.
 *
 * An object behind the gate must be reachable by no other path: drop `routeAgentRequest` for it.
 */
export function createGate<
  const Registry extends AgentRegistry,
  const Worker extends Registry[number]['worker'] = typeof DEFAULT_WORKER,
>(registry: Registry, { worker = DEFAULT_WORKER }: GateOptions<Worker | typeof DEFAULT_WORKER> = {}) {
  const portsByEnv = new WeakMap<object, Ports>();
  return <Env extends GateEnv>(
    request: Request,
    env: Env & AgentBindings<Env, EnabledSlug<Registry, Worker>>,
  ): Promise<Response> | undefined => {
    // `GET *` has a URL that is none (RFC 9112 §3.2.4). The local runtime's router of assets fails on it before this.
    if (!URL.canParse(request.url))
      return Promise.resolve(refuseHttp({ reason: 'route_unknown' }, crypto.randomUUID()));
    const { pathname } = new URL(request.url);
    const [, answers] = ANSWERS.find(([isOurs]) => isOurs(pathname)) ?? [];
    if (answers === undefined) return undefined;
    const ports = portsByEnv.get(env) ?? portsOf(registry, worker, env);
    portsByEnv.set(env, ports);
    return answers(request, ports);
  };
}

function portsOf(agents: AgentRegistry, worker: string, env: GateEnv & object): Ports {
  requireSound(agents);
  const registry = agentsOf(agents, worker);
  // A name that is misspelt would be a worker in which every agent is unknown.
  if (registry.length === 0) throw new Error(`no agent of the registry is of the worker ${worker}`);
  const record = openRecord(env.RECORD);
  const clock = () => Date.now();
  const print = logWithPoints((event) => console.log(JSON.stringify(event)), env.SECURITY_EVENTS);
  const bindings = Object.keys(env);
  for (const entry of registry)
    if (lacksBinding(entry, bindings))
      print({ event: 'agent_without_binding', agent: entry.slug, bindings: bindingNamesOf(entry.slug) });
  return {
    ...verifierOf(env),
    registry,
    destination: ({ entry, instance }) => {
      const stub = findObject(env, entry.slug, instance);
      if (stub === undefined) throw new Error(noBinding(entry.slug));
      return stub;
    },
    record,
    command: (agent, instance, command) => sendCommand(env, agent, instance, command),
    checkRevoked: checkRevokedOf(env),
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
  };
}
