import { createTicketProvider, type TicketProvider } from '@agent-ticket/client';
import { AgentClient } from 'agents/client';
import type { Hook, HookOptions } from './hooks.tsx';

/** Where a client goes, and as whom. */
export interface Target {
  readonly broker: string;
  readonly host: string;
  readonly instance: string;
  readonly token: string;
}

/** A client that runs, or a hook for the page to render. */
export type Started = { readonly hook: Hook } | { readonly stop: () => void };

/** How apps reach an agent: by hook, by client or by nothing, with a ticket provider or with code of their own. */
export const KINDS = {
  'useAgent, static query': async (target) =>
    stockHook(target, { query: { ticket: (await mint(target)).ticket } }),
  'useAgent, async query': async (target) =>
    stockHook(target, { query: async () => ({ ticket: (await mint(target)).ticket }) }),
  'useAgent, subprotocol': async (target) =>
    stockHook(target, { protocols: async () => (await mint(target)).protocols }),
  'useAgent, provider, subprotocol': async (target) => providerHook(target, 'subprotocol'),
  'useAgent, provider, query': async (target) => providerHook(target, 'query'),
  'AgentClient, static query': async (target) =>
    client({ ...address(target), query: { ticket: (await mint(target)).ticket } }),
  'AgentClient, async query': async (target) =>
    client({ ...address(target), query: async () => ({ ticket: (await mint(target)).ticket }) }),
  'AgentClient, subprotocol': async (target) =>
    client({ ...address(target), protocols: async () => (await mint(target)).protocols }),
  'AgentClient, provider, subprotocol': async (target) =>
    client(provider(target, 'subprotocol').agentOptions()),
  'AgentClient, provider, query': async (target) => client(provider(target, 'query').agentOptions()),
  'WebSocket, query': async (target) => {
    const { ticket } = await mint(target);
    return plain(`${socketUrl(target)}?ticket=${ticket}`);
  },
  'WebSocket, subprotocol': async (target) => plain(socketUrl(target), (await mint(target)).protocols),
  'WebSocket, provider': async (target) => {
    const ticket = provider(target, 'subprotocol');
    const { protocols } = await ticket.mint();
    const started = plain(socketUrl(target), protocols);
    ticket.attachRenewal(started.socket);
    return started;
  },
} as const satisfies Record<string, (target: Target) => Promise<Started>>;

export type Kind = keyof typeof KINDS;

/** An app's own code without a ticket provider, by the broker's answer alone. */
async function mint({ broker, instance, token }: Target): Promise<{ ticket: string; protocols: string[] }> {
  const answer = await fetch(`${broker}/tickets`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ agent: 'counter', instance }),
  });
  return answer.json();
}

const address = ({ host, instance }: Target) => ({ agent: 'counter', name: instance, host });

const socketUrl = ({ host, instance }: Target): string =>
  `${host.replace('http', 'ws')}/agents/counter/${instance}`;

const provider = (
  { broker, host, instance, token }: Target,
  delivery: 'query' | 'subprotocol',
): TicketProvider =>
  createTicketProvider({
    ...{ broker, host, agent: 'counter', instance, delivery },
    credential: { kind: 'access-token', get: async () => token },
  });

function stockHook(target: Target, delivery: Pick<HookOptions, 'query' | 'protocols'>): Started {
  const options = { ...address(target), ...delivery };
  return { hook: { name: target.instance, options: () => options } };
}

function providerHook(target: Target, delivery: 'query' | 'subprotocol'): Started {
  const ticket = provider(target, delivery);
  return { hook: { name: target.instance, ticket, options: () => ticket.agentOptions() } };
}

function client(options: ConstructorParameters<typeof AgentClient>[0]): Started {
  const agent = new AgentClient(options);
  return { stop: () => agent.close() };
}

function plain(url: string, protocols?: string[]): { socket: WebSocket; stop: () => void } {
  const socket = new WebSocket(url, protocols);
  return { socket, stop: () => socket.close() };
}
