import { type ComponentChild, createContext, type VNode } from 'preact';
import { useContext, useEffect, useRef, useState } from 'preact/hooks';

const OpenDialog = createContext<(dialog: VNode | undefined) => void>(() => {});

/** Opens a dialog, or with `undefined` closes it. */
export const useDialog = () => useContext(OpenDialog);

/** Holds the open dialog outside of the list: another operator may remove the row while the dialog is open. */
export function DialogHost({ children }: { readonly children: ComponentChild }) {
  const [dialog, setDialog] = useState<VNode>();
  return (
    <OpenDialog.Provider value={setDialog}>
      {children}
      {dialog}
    </OpenDialog.Provider>
  );
}

interface DialogProps {
  readonly title: string;
  /** Whether the Escape key closes it. */
  readonly isClosable?: boolean;
  readonly onClose?: () => void;
  readonly children: (close: () => void) => ComponentChild;
}

export function Dialog({ title, isClosable = true, onClose, children }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const openDialog = useDialog();
  useEffect(() => {
    const element = dialog.current;
    if (element?.open === false) element.showModal();
  }, []);
  return (
    <dialog
      ref={dialog}
      aria-labelledby="dialog-title"
      onCancel={(event) => !isClosable && event.preventDefault()}
      onClose={() => {
        openDialog(undefined);
        // The browser gives the focus back, unless the button is gone.
        if (document.activeElement === document.body) document.getElementById('main')?.focus();
        onClose?.();
      }}
    >
      <h2 id="dialog-title">{title}</h2>
      {children(() => dialog.current?.close())}
    </dialog>
  );
}
