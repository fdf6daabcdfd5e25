import { type FormEvent, type KeyboardEvent, type RefObject, useState } from 'react';

/** As much as the agent takes. */
const MAX_CHARACTERS = 4_000;

interface ComposerProps {
  readonly field: RefObject<HTMLTextAreaElement | null>;
  readonly busy: boolean;
  readonly onSend: (text: string) => unknown;
  readonly onStop: () => unknown;
}

/** Enter sends, Shift and Enter begins a line. */
export function Composer({ field, busy, onSend, onStop }: ComposerProps) {
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
      {/* A paste that is longer is cut off by the browser without a word. */}
      <p className="full" role="status">
        {text.length < MAX_CHARACTERS
          ? ''
          : `No more fits: ${MAX_CHARACTERS.toLocaleString('en')} characters.`}
      </p>
    </form>
  );
}
