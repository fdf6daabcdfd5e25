import { type TicketProvider, TicketRefused, TicketUnavailable } from '@agent-ticket/client';
import { getAgentMessages, useAgentChat } from '@cloudflare/ai-chat/react';
import { useAgent } from 'agents/react';
import { getToolName, isToolUIPart, type UIMessage } from 'ai';
import { type FormEvent, type KeyboardEvent, type RefObject, useEffect, useRef, useState } from 'react';
import { membersOf, textOr } from '../broker.ts';

/** Newer browsers return a promise, which React would take for a cleanup function. */
function scrollToEnd(end: HTMLElement | null): void {
  end?.scrollIntoView({ block: 'end' });
}

/** The stock hooks, with a ticket: for the socket in the options, for the history in a header. */
export function Conversation({ ticket }: { readonly ticket: TicketProvider }) {
  const options = ticket.agentOptions();
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

interface MessageProps {
  readonly message: UIMessage;
  /** Only the questions of the last message can be answered. */
  readonly isLast: boolean;
  readonly onAnswer: (approvalId: string, approved: boolean) => unknown;
}

/** One message: its text, and the tool calls in between. */
function Message({ message, isLast, onAnswer }: MessageProps) {
  const mine = message.role === 'user';
  return (
    <article className={mine ? 'message mine' : 'message'} aria-label={mine ? 'You' : 'Assistant'}>
      {message.parts.map((part, index) => {
        const key = `${message.id} ${index}`;
        if (part.type === 'text') return part.text === '' ? null : <p key={key}>{part.text}</p>;
        if (!isToolUIPart(part)) return null;
        if (part.state === 'approval-requested' && isLast)
          return (
            <Confirmation
              key={key}
              input={part.input}
              onAnswer={(approved) => onAnswer(part.approval.id, approved)}
            />
          );
        return (
          <p key={key} className="step">
            {callText(getToolName(part), part.state, part.input)}
          </p>
        );
      })}
    </article>
  );
}

interface ConfirmationProps {
  readonly input: unknown;
  readonly onAnswer: (approved: boolean) => unknown;
}

/** The question before a call that needs a confirmation. */
function Confirmation({ input, onAnswer }: ConfirmationProps) {
  const card = useRef<HTMLElement>(null);
  useEffect(() => {
    card.current?.focus();
  }, []);
  return (
    <section className="question" aria-label="Confirmation" tabIndex={-1} ref={card}>
      <h2>Keep this note?</h2>
      <blockquote>{noteIn(input)}</blockquote>
      <div className="actions">
        <button type="button" onClick={() => onAnswer(true)}>
          Keep it
        </button>
        <button type="button" className="plain" onClick={() => onAnswer(false)}>
          Leave it
        </button>
      </div>
    </section>
  );
}

const cityIn = (input: unknown): string => textOr(membersOf(input).city, 'a city');
const noteIn = (input: unknown): string => textOr(membersOf(input).text, '');

/** The state of a note, by the state of its tool call. */
const NOTE_STATES: Readonly<Record<string, string>> = {
  'approval-requested': 'Not kept: the question is no longer open.',
  'approval-responded': 'Answered…',
  'output-available': 'Kept the note.',
  'output-denied': 'Did not keep the note.',
  'output-error': 'Could not keep the note.',
};

/** Tool → a sentence about a call of it. */
const CALL_TEXTS: Readonly<Record<string, (state: string, input: unknown) => string>> = {
  get_time: (_, input) => `Looked up the time in ${cityIn(input)}.`,
  get_weather: (_, input) => `Looked up sample weather for ${cityIn(input)}.`,
  list_notes: () => 'Looked through your notes.',
  save_note: (state) =>
    (Object.hasOwn(NOTE_STATES, state) ? NOTE_STATES[state] : undefined) ?? 'About a note…',
};

const callText = (tool: string, state: string, input: unknown): string =>
  (Object.hasOwn(CALL_TEXTS, tool) ? CALL_TEXTS[tool]?.(state, input) : undefined) ?? `Used ${tool}.`;
