import { AgentClient } from 'agents/client';
import { afterEach, beforeEach, expect, onTestFinished, vi } from 'vitest';
import type { TicketProviderOptions } from './options.ts';
import { createTicketProvider, type TicketProvider } from './provider.ts';
import { MINUTE, pass, World } from './test-world.ts';

/** The stock `AgentClient` of the Agents SDK over a provider. Only broker, sockets, page and time are not real. */
export interface Tab {
  readonly world: World;
  readonly ticket: TicketProvider;
  readonly client: AgentClient;
}

/** Time stands still, except where a test lets it pass. */
export function stopTime(): void {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });
}

/** The extremes of chance, and its middle. */
export const RANDOMS = [0, 0.5, 0.999];

/** Any number of stock clients of one provider, closed when the test ends. */
export function clientsOf(ticket: TicketProvider, count: number): AgentClient[] {
  const clients = Array.from({ length: count }, () => new AgentClient(ticket.useAgentOptions()));
  onTestFinished(() => {
    for (const client of clients) client.close();
  });
  return clients;
}

export function connect(world: World, more: Partial<TicketProviderOptions> = {}): Tab {
  const ticket = createTicketProvider(world.options(more));
  const client = new AgentClient(ticket.useAgentOptions());
  onTestFinished(() => client.close());
  return { world, ticket, client };
}

/** A tab that has been open for an hour. */
export async function open(more: Partial<TicketProviderOptions> = {}): Promise<Tab> {
  const tab = connect(new World(), more);
  await pass(60 * MINUTE);
  expect(tab.client.readyState).toBe(1);
  expect(tab.world.mints).toHaveLength(1);
  return tab;
}

/** How long it takes until the client is open, in ms. */
export async function untilOpen({ client, world }: Tab, atMost = 10 * MINUTE): Promise<number> {
  const from = world.now();
  while (client.readyState !== 1 && world.now() - from < atMost) await pass(100);
  expect(client.readyState).toBe(1);
  return world.now() - from;
}

/** No span of a minute has more than five mints. */
export function expectCalm(world: World): void {
  for (const { at } of world.mints) expect(world.mintsIn(at, at + MINUTE)).toBeLessThanOrEqual(5);
}
