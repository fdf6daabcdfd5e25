import { useEffect, useState, useSyncExternalStore } from 'react';
import { createTicketProvider, type TicketProvider } from './provider.ts';
import { nameOf, type SharedTicketOptions, shareProvider } from './shared-provider.ts';

export * from './closes.ts';
export * from './provider.ts';
export type { SharedTicketOptions } from './shared-provider.ts';

/**
 * The ticket provider of one agent instance, and a render whenever `refusal` changes:
 * `const ticket = useTicketProvider({ … }); const agent = useAgent(ticket.agentOptions());`
 *
 * Components with the same options share a provider, also across StrictMode, Suspense and hot reload, so options may be
 * written in place. Other options give another provider. Of `credential.get` the one of the last render is called. While
 * a page is rendered on a server it asks nothing.
 */
export function useTicketProvider(options: SharedTicketOptions): TicketProvider {
  const isServer = typeof document === 'undefined';
  const [ofServer] = useState(() => (isServer ? createTicketProvider(options) : undefined));
  const shared = isServer ? undefined : shareProvider(options);
  const ticket = shared?.provider ?? ofServer ?? createTicketProvider(options);
  const name = nameOf(options);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a provider is used for as long as its name is.
  useEffect(() => shared?.use(), [name]);
  useSyncExternalStore(
    ticket.subscribe,
    () => ticket.refusal,
    () => undefined,
  );
  return ticket;
}
