import { TicketRefused, TicketUnavailable } from '@agent-ticket/shared/client/errors.ts';
import type { TicketProvider } from '@agent-ticket/shared/client/ticket-provider.ts';
import { getAgentMessages, useAgentChat } from '@cloudflare/ai-chat/react';
import { useAgent } from 'agents/react';
import { useRef } from 'react';
import { Composer } from './composer.tsx';
import { Message } from './message.tsx';

/** Newer browsers answer a promise, which React would take for a way to clean up. */
function showEnd(end: HTMLElement | null): void {
  end?.scrollIntoView({ block: 'end' });
}

/** The stock hooks, with a ticket: for the socket in the options, for the history in a header. */
export function Conversation({ ticket }: { readonly ticket: TicketProvider }) {
  const options = ticket.useAgentOptions();
  const { host, agent: slug, name } = options;
  const agent = useAgent(options);
  const { messages, status, error, sendMessage, addToolApprovalResponse, clearHistory, stop } = useAgentChat({
    agent,
    // A refusal shows through the socket; here it would tear the page down.
    getInitialMessages: async () => {
      const headers = await ticket.headers().catch((error: unknown) => {
        if (error instanceof TicketRefused || error instanceof TicketUnavailable) return undefined;
        throw error;
      });
      return headers === undefined ? [] : getAgentMessages({ host, agent: slug, name, headers });
    },
    // The agent has the transcript: it takes nothing but the last question.
    prepareSendMessagesRequest: ({ messages }) => ({ body: { messages: messages.slice(-1) } }),
  });
  const field = useRef<HTMLTextAreaElement>(null);
  // The button goes with what it was about; whoever uses a keyboard goes on from here.
  const goOn = (): void => field.current?.focus();
  const busy = status === 'submitted' || status === 'streaming';
  const reached = `${messages.length} ${JSON.stringify(messages.at(-1) ?? '').length}`;

  return (
    <>
      <div className="bar">
        <p className="status" role="status">
          {agent.identified ? (busy ? 'Answering…' : 'Connected') : 'Connecting…'}
        </p>
        {messages.length === 0 ? null : (
          <button
            type="button"
            className="plain"
            onClick={() => {
              clearHistory();
              goOn();
            }}
          >
            Clear
          </button>
        )}
      </div>
      <div className="messages" role="log" aria-label="Conversation">
        {messages.length === 0 ? (
          <p className="hint">Ask for the time in Tokyo, the weather in Lisbon, or say “remember …”.</p>
        ) : null}
        {messages.map((message, index) => (
          <Message
            key={message.id}
            message={message}
            isLast={index === messages.length - 1}
            onAnswer={(id, approved) => {
              goOn();
              return addToolApprovalResponse({ id, approved });
            }}
          />
        ))}
        {/* A new end whenever the conversation has grown, so that it is shown. */}
        <div key={reached} className="end" ref={showEnd} />
      </div>
      {error === undefined ? null : (
        <p className="fault" role="alert">
          That did not work: {error.message}
        </p>
      )}
      <Composer field={field} busy={busy} onSend={(text) => sendMessage({ text })} onStop={stop} />
    </>
  );
}
