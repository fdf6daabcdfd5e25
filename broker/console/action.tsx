import type { ComponentChild } from 'preact';
import { useRef, useState } from 'preact/hooks';
import type { Failure, Outcome } from './api.ts';
import { Dialog, useDialog } from './dialog.tsx';
import { Fault } from './fault.tsx';
import { type Field, FieldSet, type Values, valuesOf } from './fields.tsx';

/** An action of an operator, with the texts of its dialog before and after. */
export interface Action<Answer> {
  readonly title: string;
  /** On the button that does it: a verb. */
  readonly verb: string;
  /** Whether it removes rights or ends sessions. */
  readonly isDestructive: boolean;
  /** What will happen, in sentences. */
  readonly consequence: ComponentChild;
  /** How it is undone, or that it cannot be. */
  readonly undo: string;
  readonly fields?: readonly Field[];
  readonly run: (values: Values) => Promise<Outcome<Answer>>;
  readonly done: (answer: Answer, values: Values) => ComponentChild;
  /** On the button that closes a secret that is shown once; the Escape key does not close it. */
  readonly doneLabel?: string;
}

/** The reason that every destructive action asks for; the audit log keeps it. */
export const REASON: Field = {
  name: 'reason',
  label: 'Reason',
  hint: 'Kept in the audit log.',
  isRequired: true,
  maxLength: 500,
};

interface ActionButtonProps<Answer> {
  readonly action: () => Action<Answer>;
  readonly label: string;
  /** The full name, for screen readers; left out: the label. */
  readonly name?: string;
  readonly kind?: string;
  /** Called after the action, also one that failed, when the dialog is closed. */
  readonly after?: (isDone: boolean) => void;
}

/** A button that opens the dialog of an action. */
export function ActionButton<Answer>({
  action,
  label,
  name,
  kind = 'plain',
  after,
}: ActionButtonProps<Answer>) {
  const openDialog = useDialog();
  return (
    <button
      type="button"
      class={kind}
      aria-label={name}
      aria-haspopup="dialog"
      onClick={() => openDialog(<ActionDialog action={action()} after={after} />)}
    >
      {label}
    </button>
  );
}

interface ActionDialogProps<Answer> {
  readonly action: Action<Answer>;
  readonly after: ((isDone: boolean) => void) | undefined;
}

function ActionDialog<Answer>({ action, after }: ActionDialogProps<Answer>) {
  const [state, setState] = useState<'asking' | 'busy' | Failure | { readonly shown: ComponentChild }>(
    'asking',
  );
  const { title, verb, isDestructive, consequence, undo, fields = [], run, done, doneLabel } = action;
  const wasTried = useRef(false);
  const isDone = typeof state === 'object' && 'shown' in state;
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    if (!(event.currentTarget instanceof HTMLFormElement)) return;
    const values = valuesOf(event.currentTarget);
    setState('busy');
    wasTried.current = true;
    const outcome = await run(values).catch((error: unknown) => {
      setState('asking');
      throw error;
    });
    setState(outcome.ok ? { shown: done(outcome.value, values) } : outcome.failure);
  };
  return (
    <Dialog
      title={title}
      isClosable={state !== 'busy' && !(isDone && doneLabel !== undefined)}
      onClose={() => wasTried.current && after?.(isDone)}
    >
      {(close) => (
        <form onSubmit={(event) => void submit(event)}>
          {isDone ? (
            <div class="done" role="status">
              {state.shown}
            </div>
          ) : (
            <>
              <div class="consequence">{consequence}</div>
              <FieldSet fields={fields} />
              <p class="note">{undo}</p>
              {typeof state === 'object' && <Fault failure={state} />}
            </>
          )}
          <div class="actions">
            {!isDone && (
              <button type="submit" class={isDestructive ? 'danger' : ''} disabled={state === 'busy'}>
                {state === 'busy' ? 'One moment …' : verb}
              </button>
            )}
            <button type="button" class="plain" disabled={state === 'busy'} onClick={close}>
              {isDone ? (doneLabel ?? 'Close') : 'Cancel'}
            </button>
          </div>
        </form>
      )}
    </Dialog>
  );
}
