import { AGENTS, type EnabledBinding } from '@agent-ticket/shared/agents.ts';
import { KEY_SET } from '@agent-ticket/shared/limits.ts';
import { validateAgentRegistry } from '@agent-ticket/shared/registry.ts';
import { readConfig } from './config.ts';
import { answerDemoRequest } from './demo.ts';
import { brokerKeys } from './gate/keys.ts';
import { isAgentPath } from './gate/route.ts';
import { answerAgentRequest, type GatePorts } from './gate.ts';

export { Counter } from './agents/counter.ts';
export { Lobby } from './agents/lobby.ts';

/** The compiler's proof that every enabled agent has its binding. */
type Env = Cloudflare.Env & Record<EnabledBinding, DurableObjectNamespace>;

/** One per isolate: keys are imported once, and the registry is checked once. */
let ports: GatePorts | undefined;

function portsOf(env: Env): GatePorts {
  const faults = validateAgentRegistry(AGENTS, Object.keys(env));
  if (faults.length > 0) throw new Error(`agent registry is not sound. ${faults.join('; ')}`);
  const config = readConfig(env);
  const bound = 'BROKER' in env;
  const namespaces: Record<EnabledBinding, DurableObjectNamespace> = env;
  return {
    registry: AGENTS,
    config,
    findKey: brokerKeys(
      {
        fetchSet: (signal) =>
          bound ? env.BROKER.fetch(config.jwksUrl, { signal }) : fetch(config.jwksUrl, { signal }),
        clock: () => Date.now(),
        sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
      },
      bound ? KEY_SET.bindingCooldownMs : KEY_SET.cooldownMs,
    ),
    destination: ({ entry, instance }) => {
      const namespace = new Map(Object.entries(namespaces)).get(entry.bindingKey);
      if (namespace === undefined) throw new Error(`no binding ${entry.bindingKey}`);
      return namespace.get(namespace.idFromName(instance));
    },
    randomId: () => crypto.randomUUID(),
    clock: () => Date.now(),
    log: (event) => console.log(JSON.stringify(event)),
  };
}

export default {
  async fetch(request, env): Promise<Response> {
    ports ??= portsOf(env);
    if (isAgentPath(new URL(request.url).pathname)) return answerAgentRequest(request, ports);
    const { registry, config, randomId } = ports;
    return answerDemoRequest(request, { registry, broker: config.issuer, assets: env.ASSETS, randomId });
  },
} satisfies ExportedHandler<Env>;
