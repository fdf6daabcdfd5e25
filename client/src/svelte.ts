import type { TicketProvider, TicketRefused } from './provider.ts';
import { type SharedTicketOptions, shareProvider } from './shared-provider.ts';

export * from './closes.ts';
export * from './heartbeat.ts';
export * from './provider.ts';
export type { SharedTicketOptions } from './shared-provider.ts';

/** A readable store by the contract of Svelte: calls its subscriber at once and at each change. */
interface Readable<T> {
  subscribe(run: (value: T) => void): () => void;
}

/** A provider with its refusal as a store. */
export interface Ticket {
  /** `new AgentClient(ticket.agentOptions())`. */
  readonly ticket: TicketProvider;
  /** `$refusal`: the refusal, if there is no connection because of one. */
  readonly refusal: Readable<TicketRefused | undefined>;
}

/** The ticket provider of one agent instance. Components with the same options share a provider. */
export function ticketProvider(options: SharedTicketOptions): Ticket {
  const { provider: ticket, use } = shareProvider(options);
  return {
    ticket,
    refusal: {
      subscribe(run) {
        const release = use();
        const stop = ticket.subscribe(() => run(ticket.refusal));
        run(ticket.refusal);
        return () => {
          stop();
          release();
        };
      },
    },
  };
}
