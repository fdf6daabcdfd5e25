import { createTicketProvider, type TicketProviderOptions } from '@agent-ticket/shared/client/provider.ts';
import { getAgentMessages, useAgentChat } from '@cloudflare/ai-chat/react';
import { useAgent } from 'agents/react';
import { Suspense } from 'react';
import { createRoot } from 'react-dom/client';

/** A chat as an app would write it. It fetches the history over HTTP, with a ticket in a header. */
function Chat({ ticket }: { readonly ticket: ReturnType<typeof createTicketProvider> }) {
  const options = ticket.useAgentOptions();
  const { host, agent: slug, name } = options;
  const agent = useAgent(options);
  const { messages, status } = useAgentChat({
    agent,
    getInitialMessages: async () =>
      getAgentMessages({ host, agent: slug, name, headers: await ticket.headers() }),
  });
  return <p id="chat">{`${agent.identified ? 'open' : 'connecting'} ${status} ${messages.length}`}</p>;
}

function showChat(options: TicketProviderOptions): void {
  const root = document.querySelector('#root');
  if (root === null) throw new Error('no #root');
  const ticket = createTicketProvider(options);
  createRoot(root).render(
    <Suspense fallback={<p id="chat">waiting</p>}>
      <Chat ticket={ticket} />
    </Suspense>,
  );
}

declare global {
  interface Window {
    readonly showChat: (options: TicketProviderOptions) => void;
  }
}

Object.assign(window, { showChat });
