import { getToolName, isToolUIPart, type UIMessage } from 'ai';
import { useEffect, useRef } from 'react';
import { membersOf, textOr } from '../broker.ts';

interface MessageProps {
  readonly message: UIMessage;
  /** Only the questions of the last message can be answered. */
  readonly isLast: boolean;
  readonly onAnswer: (approvalId: string, approved: boolean) => unknown;
}

/** One message: its text, and the tool calls in between. */
export function Message({ message, isLast, onAnswer }: MessageProps) {
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
