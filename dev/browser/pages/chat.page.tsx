import { type TicketProviderOptions, useTicketProvider } from '@agent-ticket/client/react';
import { getAgentMessages, useAgentChat } from '@cloudflare/ai-chat/react';
import { useAgent } from 'agents/react';
import { StrictMode, Suspense } from 'react';
import { createRoot } from 'react-dom/client';

/**
 * A chat as an app would write it. It fetches the history over HTTP, with a ticket in a header. It suspends before its
 * first effect, and renders twice: the hook must still have one provider.
 */
function Chat({ options }: { readonly options: TicketProviderOptions }) {
  const ticket = useTicketProvider({ ...options });
  const { host, agent: slug, name, ...rest } = ticket.agentOptions();
  const agent = useAgent({ host, agent: slug, name, ...rest });
  const { messages, status } = useAgentChat({
    agent,
    getInitialMessages: async () =>
      getAgentMessages({ host, agent: slug, name, headers: await ticket.headers() }),
  });
  const state = ticket.refusal?.code ?? (agent.identified ? 'open' : 'connecting');
  return <p id="chat">{`${state} ${status} ${messages.length}`}</p>;
}

function showChat(options: TicketProviderOptions): void {
  const root = document.querySelector('#root');
  if (root === null) throw new Error('no #root');
  createRoot(root).render(
    <StrictMode>
      <Suspense fallback={<p id="chat">waiting</p>}>
        <Chat options={options} />
      </Suspense>
    </StrictMode>,
  );
}

declare global {
  interface Window {
    readonly showChat: (options: TicketProviderOptions) => void;
  }
}

Object.assign(window, { showChat });
