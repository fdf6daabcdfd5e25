import { onScopeDispose, readonly, type ShallowRef, shallowRef } from 'vue';
import type { TicketProvider, TicketRefused } from './provider.ts';
import { type SharedTicketOptions, shareProvider } from './shared-provider.ts';

export * from './closes.ts';
export * from './heartbeat.ts';
export * from './provider.ts';
export type { SharedTicketOptions } from './shared-provider.ts';

/** A provider with its refusal as a ref. */
export interface Ticket {
  /** `new AgentClient(ticket.agentOptions())`. */
  readonly ticket: TicketProvider;
  /** The refusal, if there is no connection because of one. */
  readonly refusal: Readonly<ShallowRef<TicketRefused | undefined>>;
}

/**
 * The ticket provider of one agent instance, for `setup`. Components with the same options share a provider. The ref of the
 * refusal is updated until the component, or the effect scope, ends.
 */
export function useTicketProvider(options: SharedTicketOptions): Ticket {
  const { provider: ticket, use } = shareProvider(options);
  const refusal = shallowRef(ticket.refusal);
  const release = use();
  const stop = ticket.subscribe(() => {
    refusal.value = ticket.refusal;
  });
  onScopeDispose(() => {
    stop();
    release();
  });
  return { ticket, refusal: readonly(refusal) };
}
