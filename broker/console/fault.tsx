import type { Failure } from './api.ts';
import { signInUrl } from './sign-in.tsx';
import { counted } from './words.tsx';

const TITLES: Readonly<Record<number, string>> = {
  0: 'The broker cannot be reached',
  401: 'Your sign-in has ended',
  403: 'You may not see or do this',
  404: 'There is no such thing',
  409: 'Something changed meanwhile',
  429: 'Too many requests',
  503: 'The broker cannot answer at the moment',
};

const nextStep = ({ status, retryAfter }: Failure): string => {
  if (status === 0)
    return navigator.onLine
      ? 'Check that the broker runs. Views with live figures try again by themselves.'
      : 'This computer is offline. The page tries again when the computer is back online.';
  if (status === 429)
    return `The limit is per minute and for all your calls. Wait ${counted(retryAfter ?? 60, 'second')}.`;
  if (status === 503) return 'Nothing is lost. Try again shortly.';
  if (status === 500) return 'This is a fault of the broker. Look for the request id below in its log.';
  return '';
};

/** A refusal or an outage: the cause, the next step, and the request id, which finds it in the audit log. */
export function Fault({
  failure,
  retry,
}: {
  readonly failure: Failure;
  readonly retry?: (() => void) | undefined;
}) {
  const { status, message, requestId } = failure;
  return (
    <div class="fault" role="alert">
      <p>
        <strong>{TITLES[status] ?? 'That did not work'}</strong>
      </p>
      {status !== 0 && status !== 401 && <p>{sentence(message)}</p>}
      {nextStep(failure) && <p>{nextStep(failure)}</p>}
      {requestId !== undefined && (
        <p class="note">
          Request <code>{requestId}</code>
        </p>
      )}
      <div class="actions">
        {status === 401 && (
          <a class="button" href={signInUrl()}>
            Sign in again
          </a>
        )}
        {retry !== undefined && status !== 401 && status !== 403 && (
          <button type="button" class="plain" onClick={retry}>
            Try again
          </button>
        )}
      </div>
    </div>
  );
}

const sentence = (text: string): string =>
  `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? '' : '.'}`;
