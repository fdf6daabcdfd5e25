import {
  type TicketProvider,
  TicketRefused,
  TicketUnavailable,
} from '@agent-ticket/shared/client/provider.ts';
import { getAgentMessages, useAgentChat } from '@cloudflare/ai-chat/react';
import { useAgent } from 'agents/react';
import { type FormEvent, type KeyboardEvent, type RefObject, useRef, useState } from 'react';
import { Message } from './message.tsx';

/** Newer browsers return a promise, which React would take for a cleanup function. */
function scrollToEnd(end: HTMLElement | null): void {
  end?.scrollIntoView({ block: 'end' });
}

/** The stock hooks, with a ticket: for the socket in the options, for the history in a header. */
export function Conversation({ ticket }: { readonly ticket: TicketProvider }) {
  const options = ticket.useAgentOptions();
  const { host, agent: slug, name } = options;
  const agent = useAgent(options);
  const { messages, status, error, sendMessage, addToolApprovalResponse, clearHistory, stop } = useAgentChat({
    agent,
    // The socket reports a refusal; a rejection here would unmount the page.
    getInitialMessages: async () => {
      const headers = await ticket.headers().catch((error: unknown) => {
        if (error instanceof TicketRefused || error instanceof TicketUnavailable) return undefined;
        throw error;
      });
      return headers === undefined ? [] : getAgentMessages({ host, agent: slug, name, headers });
    },
    // The agent stores the transcript: it uses only the last question.
    prepareSendMessagesRequest: ({ messages }) => ({ body: { messages: messages.slice(-1) } }),
  });
  const field = useRef<HTMLTextAreaElement>(null);
  // The focused button disappears; keyboard users continue from here.
  const focusField = (): void => field.current?.focus();
  const busy = status === 'submitted' || status === 'streaming';
  const length = `${messages.length} ${JSON.stringify(messages.at(-1) ?? '').length}`;

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
              focusField();
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
              focusField();
              return addToolApprovalResponse({ id, approved });
            }}
          />
        ))}
        {/* The key changes whenever the conversation has grown, so that the page scrolls. */}
        <div key={length} className="end" ref={scrollToEnd} />
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

/** The limit of the agent. */
const MAX_CHARACTERS = 4_000;

interface ComposerProps {
  readonly field: RefObject<HTMLTextAreaElement | null>;
  readonly busy: boolean;
  readonly onSend: (text: string) => unknown;
  readonly onStop: () => unknown;
}

/** Enter sends, Shift and Enter begins a line. */
function Composer({ field, busy, onSend, onStop }: ComposerProps) {
  const [text, setText] = useState('');
  const isEmpty = text.trim() === '';
  const send = (event: FormEvent | KeyboardEvent): void => {
    event.preventDefault();
    if (isEmpty || busy) return;
    onSend(text.trim());
    setText('');
  };
  return (
    <form className="composer" onSubmit={send}>
      <label htmlFor="question">Your message</label>
      <textarea
        id="question"
        ref={field}
        rows={2}
        maxLength={MAX_CHARACTERS}
        value={text}
        onChange={({ target }) => setText(target.value)}
        onKeyDown={(event) => {
          if (event.key === 'Enter' && !event.shiftKey && !event.nativeEvent.isComposing) send(event);
        }}
      />
      {busy ? (
        <button type="button" onClick={onStop}>
          Stop
        </button>
      ) : (
        <button type="submit" disabled={isEmpty}>
          Send
        </button>
      )}
      {/* The browser truncates a longer paste without a message. */}
      <p className="full" role="status">
        {text.length < MAX_CHARACTERS
          ? ''
          : `No more fits: ${MAX_CHARACTERS.toLocaleString('en')} characters.`}
      </p>
    </form>
  );
}
