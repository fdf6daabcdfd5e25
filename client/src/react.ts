import { useEffect, useSyncExternalStore } from 'react';
import type { TicketProvider } from './provider.ts';
import { type SharedTicketOptions, shareProvider } from './shared-provider.ts';

export * from './closes.ts';
export * from './heartbeat.ts';
export * from './provider.ts';
export type { SharedTicketOptions } from './shared-provider.ts';

/**
 * The ticket provider of one agent instance. Causes a render whenever `refusal` changes:
 * `const ticket = useTicketProvider({ … }); const agent = useAgent(ticket.agentOptions());`
 *
 * Components with the same options share a provider, also across StrictMode, Suspense and hot reload, so you can write the
 * options inline. Other options give another provider. The provider calls the `credential.get` of the last render. It
 * sends no request while a server renders the page.
 */
export function useTicketProvider(options: SharedTicketOptions): TicketProvider {
  const { provider: ticket, use } = shareProvider(options);
  useEffect(use, [use]);
  useSyncExternalStore(
    ticket.subscribe,
    () => ticket.refusal,
    () => undefined,
  );
  return ticket;
}
