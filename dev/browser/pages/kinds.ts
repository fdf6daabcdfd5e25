import { createTicketProvider, type TicketProvider } from '@agent-ticket/shared/client/provider.ts';
import { AgentClient } from 'agents/client';
import type { Hook, HookOptions } from './hooks.tsx';

/** Where a client goes, and as whom. */
export interface Place {
  readonly broker: string;
  readonly host: string;
  readonly instance: string;
  readonly token: string;
}

/** A client that runs, or a hook for the page to render. */
export type Started = { readonly hook: Hook } | { readonly stop: () => void };

/** How apps reach an agent: by hook, by client or by nothing, with a ticket provider or with code of their own. */
export const KINDS = {
  'useAgent, static query': async (place) =>
    stockHook(place, { query: { ticket: (await mint(place)).ticket } }),
  'useAgent, async query': async (place) =>
    stockHook(place, { query: async () => ({ ticket: (await mint(place)).ticket }) }),
  'useAgent, subprotocol': async (place) =>
    stockHook(place, { protocols: async () => (await mint(place)).protocols }),
  'useAgent, provider, subprotocol': async (place) => providerHook(place, 'subprotocol'),
  'useAgent, provider, query': async (place) => providerHook(place, 'query'),
  'AgentClient, static query': async (place) =>
    client({ ...address(place), query: { ticket: (await mint(place)).ticket } }),
  'AgentClient, async query': async (place) =>
    client({ ...address(place), query: async () => ({ ticket: (await mint(place)).ticket }) }),
  'AgentClient, subprotocol': async (place) =>
    client({ ...address(place), protocols: async () => (await mint(place)).protocols }),
  'AgentClient, provider, subprotocol': async (place) =>
    client(provider(place, 'subprotocol').useAgentOptions()),
  'AgentClient, provider, query': async (place) => client(provider(place, 'query').useAgentOptions()),
  'WebSocket, query': async (place) => {
    const { ticket } = await mint(place);
    return plain(`${socketUrl(place)}?ticket=${ticket}`);
  },
  'WebSocket, subprotocol': async (place) => plain(socketUrl(place), (await mint(place)).protocols),
  'WebSocket, provider': async (place) => {
    const ticket = provider(place, 'subprotocol');
    const { protocols } = await ticket.mint();
    const started = plain(socketUrl(place), protocols);
    ticket.attachRenewal(started.socket);
    return started;
  },
} as const satisfies Record<string, (place: Place) => Promise<Started>>;

export type Kind = keyof typeof KINDS;

/** What an app's own code does that knows the broker's answer and nothing more. */
async function mint({ broker, instance, token }: Place): Promise<{ ticket: string; protocols: string[] }> {
  const answer = await fetch(`${broker}/tickets`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ agent: 'counter', instance }),
  });
  return answer.json();
}

const address = ({ host, instance }: Place) => ({ agent: 'counter', name: instance, host });

const socketUrl = ({ host, instance }: Place): string =>
  `${host.replace('http', 'ws')}/agents/counter/${instance}`;

const provider = (
  { broker, host, instance, token }: Place,
  delivery: 'query' | 'subprotocol',
): TicketProvider =>
  createTicketProvider({
    ...{ broker, host, agent: 'counter', instance, delivery },
    credential: { kind: 'access-token', get: async () => token },
  });

function stockHook(place: Place, delivery: Pick<HookOptions, 'query' | 'protocols'>): Started {
  const options = { ...address(place), ...delivery };
  return { hook: { name: place.instance, options: () => options } };
}

function providerHook(place: Place, delivery: 'query' | 'subprotocol'): Started {
  const ticket = provider(place, delivery);
  return { hook: { name: place.instance, ticket, options: () => ticket.useAgentOptions() } };
}

function client(options: ConstructorParameters<typeof AgentClient>[0]): Started {
  const agent = new AgentClient(options);
  return { stop: () => agent.close() };
}

function plain(url: string, protocols?: string[]): { socket: WebSocket; stop: () => void } {
  const socket = new WebSocket(url, protocols);
  return { socket, stop: () => socket.close() };
}
