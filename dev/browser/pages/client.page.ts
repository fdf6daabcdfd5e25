import { createTicketProvider } from '@agent-ticket/shared/client/provider.ts';
import { AgentClient } from 'agents/client';

/** An app without a framework: the clients lie open for a test to use as a page's own script would. */
const client = { createTicketProvider, AgentClient };

declare global {
  interface Window {
    readonly client: typeof client;
  }
}

Object.assign(window, { client });
