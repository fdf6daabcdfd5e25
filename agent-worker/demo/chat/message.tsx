import { getToolName, isToolUIPart, type UIMessage } from 'ai';
import { Question } from './question.tsx';
import { stepText } from './step-text.ts';

interface MessageProps {
  readonly message: UIMessage;
  /** Only the last message can still be answered. */
  readonly isLast: boolean;
  readonly onAnswer: (approvalId: string, approved: boolean) => unknown;
}

/** One message: its words, and what the assistant did in between. */
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
            <Question
              key={key}
              input={part.input}
              onAnswer={(approved) => onAnswer(part.approval.id, approved)}
            />
          );
        return (
          <p key={key} className="step">
            {stepText(getToolName(part), part.state, part.input)}
          </p>
        );
      })}
    </article>
  );
}
