import { type ComponentChild, createContext, type VNode } from 'preact';
import { useContext, useEffect, useRef, useState } from 'preact/hooks';
import type { Failure, Outcome } from './api.ts';
import { Fault } from './fault.tsx';
import { type Field, FieldSet, type Values, valuesOf } from './fields.tsx';

/** Something that an operator may do: what the dialog says before it, and what it shows after it. */
export interface Act<Answer> {
  readonly title: string;
  /** On the button that does it: a verb. */
  readonly verb: string;
  /** Whether it takes something away. */
  readonly isDestructive: boolean;
  /** What will happen, in sentences. */
  readonly consequence: ComponentChild;
  /** How it is undone, or that it cannot be. */
  readonly undo: string;
  readonly fields?: readonly Field[];
  readonly run: (values: Values) => Promise<Outcome<Answer>>;
  readonly done: (answer: Answer, values: Values) => ComponentChild;
}

/** The reason that every destructive act asks for; the audit log keeps it. */
export const REASON: Field = {
  name: 'reason',
  label: 'Reason',
  hint: 'Kept in the audit log.',
  isRequired: true,
  maxLength: 500,
};

const OpenDialog = createContext<(dialog: VNode | undefined) => void>(() => {});

/** Holds the open dialog: what it is about may leave its list meanwhile, by another operator or by itself. */
export function DialogHost({ children }: { readonly children: ComponentChild }) {
  const [dialog, setDialog] = useState<VNode>();
  return (
    <OpenDialog.Provider value={setDialog}>
      {children}
      {dialog}
    </OpenDialog.Provider>
  );
}

interface ActButtonProps<Answer> {
  readonly act: () => Act<Answer>;
  readonly label: string;
  /** The whole name for those who hear it; left out: the label. */
  readonly name?: string;
  readonly kind?: string;
  /** Called when it was done and the dialog is closed. */
  readonly after?: () => void;
}

/** A button that opens the dialog of an act. */
export function ActButton<Answer>({ act, label, name, kind = 'plain', after }: ActButtonProps<Answer>) {
  const openDialog = useContext(OpenDialog);
  const close = (isDone: boolean): void => {
    openDialog(undefined);
    // The browser gives the focus back, unless the button is gone.
    if (document.activeElement === document.body) document.getElementById('main')?.focus();
    if (isDone) after?.();
  };
  return (
    <button
      type="button"
      class={kind}
      aria-label={name}
      aria-haspopup="dialog"
      onClick={() => openDialog(<ActDialog act={act()} close={close} />)}
    >
      {label}
    </button>
  );
}

function ActDialog<Answer>({
  act,
  close,
}: {
  readonly act: Act<Answer>;
  readonly close: (isDone: boolean) => void;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [state, setState] = useState<'asking' | 'busy' | Failure | { readonly shown: ComponentChild }>(
    'asking',
  );
  const isDone = typeof state === 'object' && 'shown' in state;
  const { title, verb, isDestructive, consequence, undo, fields = [], run, done } = act;

  useEffect(() => {
    const element = dialog.current;
    // The browser gives the focus back when it closes.
    if (element?.open === false) element.showModal();
  }, []);

  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    if (!(event.currentTarget instanceof HTMLFormElement)) return;
    const values = valuesOf(event.currentTarget);
    setState('busy');
    const outcome = await run(values);
    setState(outcome.ok ? { shown: done(outcome.value, values) } : outcome.failure);
  };

  return (
    <dialog
      ref={dialog}
      aria-labelledby="dialog-title"
      onCancel={(event) => state === 'busy' && event.preventDefault()}
      onClose={() => close(isDone)}
    >
      <form onSubmit={(event) => void submit(event)}>
        <h2 id="dialog-title">{title}</h2>
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
          <button
            type="button"
            class="plain"
            disabled={state === 'busy'}
            onClick={() => dialog.current?.close()}
          >
            {isDone ? 'Close' : 'Cancel'}
          </button>
        </div>
      </form>
    </dialog>
  );
}
