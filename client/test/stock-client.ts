import { AgentClient } from 'agents/client';
import { afterEach, beforeEach, expect, onTestFinished, vi } from 'vitest';
import type { TicketProviderOptions } from '../src/options.ts';
import { createTicketProvider, type TicketProvider } from '../src/provider.ts';
import { advance, FakeBackend, MINUTE } from './fake-backend.ts';

/** The stock `AgentClient` of the Agents SDK with a provider. Only broker, sockets, page and time are fake. */
interface Fixture {
  readonly backend: FakeBackend;
  readonly ticket: TicketProvider;
  readonly client: AgentClient;
}

/** Fake timers: time passes only where a test advances it. */
export function fakeTime(): void {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });
}

/** Results of the random port: the extremes and the middle. */
export const RANDOMS = [0, 0.5, 0.999];

/** Any number of stock clients of one provider, closed when the test ends. */
export function clientsOf(ticket: TicketProvider, count: number): AgentClient[] {
  const clients = Array.from({ length: count }, () => new AgentClient(ticket.agentOptions()));
  onTestFinished(() => {
    for (const client of clients) client.close();
  });
  return clients;
}

export function connect(backend: FakeBackend, more: Partial<TicketProviderOptions> = {}): Fixture {
  const ticket = createTicketProvider(backend.options(more));
  const client = new AgentClient(ticket.agentOptions());
  onTestFinished(() => client.close());
  return { backend, ticket, client };
}

/** A client that has been open for an hour. */
export async function open(more: Partial<TicketProviderOptions> = {}): Promise<Fixture> {
  const fixture = connect(new FakeBackend(), more);
  await advance(60 * MINUTE);
  expect(fixture.client.readyState).toBe(1);
  expect(fixture.backend.mints).toHaveLength(1);
  return fixture;
}

/** Milliseconds until the client is open. */
export async function untilOpen({ client, backend }: Fixture, atMost = 10 * MINUTE): Promise<number> {
  const from = backend.now();
  while (client.readyState !== 1 && backend.now() - from < atMost) await advance(100);
  expect(client.readyState).toBe(1);
  return backend.now() - from;
}

/** No minute has more than five mints. */
export function expectMintLimit(backend: FakeBackend): void {
  for (const { at } of backend.mints) expect(backend.mintsIn(at, at + MINUTE)).toBeLessThanOrEqual(5);
}
