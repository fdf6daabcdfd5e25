import { ticketed } from '@agent-ticket/agent-worker';
import { defineAgents } from '@agent-ticket/shared/registry.ts';
import { Agent, type Connection, type WSMessage } from 'agents';

/** One agent for each access mode. Sessions are short, so that they end within a run of minutes. */
export const REGISTRY = defineAgents([
  {
    slug: 'counter',
    access: 'viewer',
    scopes: {
      viewer: ['agent:connect', 'agent:state:read', 'agent:message'],
      admin: ['agent:connect', 'agent:state:read', 'agent:state:write', 'agent:message'],
      owner: ['agent:connect', 'agent:state:read', 'agent:state:write', 'agent:message', 'agent:rpc:*'],
    },
    limits: { socketsPerPrincipal: 3, messagesPerSecond: 10, frameBytes: 4096, sessionSeconds: 90 },
  },
  {
    slug: 'vault',
    access: 'grant',
    limits: { socketsPerPrincipal: 3, messagesPerSecond: 10, frameBytes: 4096 },
  },
  {
    slug: 'notes',
    access: 'first-user',
    limits: { socketsPerPrincipal: 3, messagesPerSecond: 10, frameBytes: 4096, sessionSeconds: 120 },
  },
  {
    slug: 'lobby',
    access: 'public',
    instances: ['main'],
    limits: { socketsPerPrincipal: 2, messagesPerSecond: 5, frameBytes: 1024, sessionSeconds: 60 },
  },
]);
export const SOCKETS_PER_PRINCIPAL: Readonly<Record<string, number>> = Object.fromEntries(
  REGISTRY.map(({ slug, limits }) => [slug, limits.socketsPerPrincipal]),
);

/** A connection or a frame that reached the code of an agent. */
export interface Reached {
  readonly agent: string;
  readonly instance: string;
  readonly sessionId: string;
  readonly what: 'connection' | 'frame';
}

let watcher: (reached: Reached) => void = () => {};
/** Sets the function that receives these events from now on. */
export const watchAgents = (watch: (reached: Reached) => void): void => {
  watcher = watch;
};

/** An agent of the Agents SDK that needs tickets. It reports each connection and each frame that reaches it. */
const agentOf = (agent: string) =>
  class extends ticketed(Agent<Cloudflare.Env>) {
    override onConnect(connection: Connection): void {
      watcher({ agent, instance: this.name, sessionId: connection.id, what: 'connection' });
    }
    override onMessage(connection: Connection, message: WSMessage): void {
      watcher({ agent, instance: this.name, sessionId: connection.id, what: 'frame' });
      connection.send(message);
    }
  };

export const AGENT_CLASSES = REGISTRY.map(({ slug, bindingKey }) => ({
  slug,
  bindingKey,
  Class: agentOf(slug),
}));
