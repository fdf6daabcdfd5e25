import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { Code } from './words.tsx';

interface SecretTextProps {
  readonly secret: string;
  /** Terms and details that come before it. */
  readonly children?: ComponentChildren;
}

/** A secret that no other answer shows, with a button that copies it. */
export function SecretText({ secret, children }: SecretTextProps) {
  const [said, setSaid] = useState('');
  const copy = async (): Promise<void> => {
    // The browser has no clipboard for a page without TLS.
    const copied = navigator.clipboard?.writeText(secret).then(
      () => true,
      () => false,
    );
    setSaid(
      (await copied) ? 'Copied.' : 'The browser does not let this page copy. Select and copy it by hand.',
    );
  };
  return (
    <>
      <p>
        Store the secret now, where the program reads it. <strong>It is shown only once.</strong>
      </p>
      <dl>
        {children}
        <dt>Secret</dt>
        <dd>
          <Code>{secret}</Code>
        </dd>
      </dl>
      <div class="actions">
        <button type="button" onClick={() => void copy()}>
          Copy the secret
        </button>
        {said && <span role="status">{said}</span>}
      </div>
    </>
  );
}
