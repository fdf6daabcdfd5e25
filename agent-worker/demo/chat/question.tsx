import { useEffect, useRef } from 'react';
import { noteIn } from './step-text.ts';

interface QuestionProps {
  readonly input: unknown;
  readonly onAnswer: (approved: boolean) => unknown;
}

/** What the assistant may not do by itself. */
export function Question({ input, onAnswer }: QuestionProps) {
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
